"""What may come of a run, and how a step's findings are told in its journal."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from cartctl.engine.model import Checks, Verdict
from cartctl.errors import CartctlError, CheckFailed, Inconclusive


class OnFailure(Enum):
    """What a failed step means for the rest."""

    UNDO = "undo"  # put everything back
    SETTLE = "settle"  # leave the code for a person to look at, but no maintenance and no stopped workers
    GO_ON = "go on"  # a rollback: one failed undo does not stop the others


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its word in the journal, the process's exit code, the cause in a sentence, what to run next."""

    word: str
    exit_code: int
    message: str = ""
    next_command: str = ""
    ended: bool = True  # False: the run can be resumed, and blocks others until it has an end

    def to_json(self) -> dict[str, Any]:
        """As the run's last event holds it."""
        fields = {"outcome": self.word, "exit_code": self.exit_code, "message": self.message}
        return {**fields, "next_command": self.next_command}


def told_of(failure: CartctlError) -> str:
    """A failure's sentence and hint."""
    return f"{failure.message} {failure.hint}".strip()


def with_undo_failures(outcome: Outcome, undo_failed: Mapping[str, str]) -> Outcome:
    """The outcome of a run some of whose undos failed: their causes too, exit code 5."""
    if not undo_failed:
        return outcome
    failed = "; ".join(f"{key}: {message}" for key, message in undo_failed.items())
    return replace(outcome, word="failed", exit_code=5, message=f"{outcome.message} Not undone: {failed}")


def after_bug(outcome: Outcome, *, not_reverted: bool) -> Outcome:
    """Exit code 1 after a bug; with a revert that failed as well, 5, and the run stays open for an operator."""
    if not_reverted:
        return replace(outcome, word="failed", exit_code=5, ended=False)
    return replace(outcome, exit_code=1)


def passed(key: str, results: Checks) -> dict[str, Any]:
    """The summary of a check that passed or warned. Raises CheckFailed and Inconclusive for any other verdict."""
    if results.verdict in {Verdict.FAIL, Verdict.UNKNOWN}:
        bad = (
            "; ".join(f"{one.name}: {one.observed}" for one in results.bad()) or "nothing could be looked at"
        )
        kind = CheckFailed if results.verdict is Verdict.FAIL else Inconclusive
        raise kind(f"{key}: {bad}", hint=next((one.hint for one in results.bad() if one.hint), ""))
    return summary(results)


def summary(results: Checks) -> dict[str, Any]:
    """What a journal keeps of a check that passed: the verdict, how many of each, and the warnings."""
    counted = {
        verdict.value: sum(check.verdict is verdict for check in results.checks) for verdict in Verdict
    }
    warned = [f"{check.name}: {check.observed}" for check in results.checks if check.verdict is Verdict.WARN]
    return {
        "verdict": results.verdict.value,
        "counts": {name: n for name, n in counted.items() if n},
        "warnings": warned,
    }
