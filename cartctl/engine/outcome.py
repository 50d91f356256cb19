"""Outcomes of a run, and the journal's summary of check results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from cartctl.engine.events import RunOutcome
from cartctl.engine.model import Checks, Verdict
from cartctl.errors import CartctlError, CheckFailed, Inconclusive, OperatorNeeded, Refused
from cartctl.redaction import cut

MAX_CHARACTERS = 500  # characters of a check's value in the journal


class OnFailure(Enum):
    """What a failed step means for the rest."""

    UNDO = "undo"  # revert everything
    SETTLE = "settle"  # keep the released code for inspection, but end maintenance and restart workers
    CONTINUE = "continue"  # a rollback: one failed undo does not stop the others
    STOP = "stop"  # only Actions, each atomic: there is nothing to revert, and the failed step's exit code is the run's


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: outcome word in the journal, exit code of the process, cause in one sentence, next command."""

    word: str
    exit_code: int
    message: str = ""
    next_command: str = ""
    ended: bool = True  # False: the run can be resumed, and blocks other runs until it has ended

    @classmethod
    def of(cls, outcome: RunOutcome, message: str = "") -> "Outcome":
        """An outcome with its own exit code."""
        return cls(outcome, outcome.exit_code, message)

    def to_json(self) -> dict[str, Any]:
        """The data of the run's last event."""
        fields = {"outcome": self.word, "exit_code": self.exit_code, "message": self.message}
        return {**fields, "next_command": self.next_command}


def describe_failure(failure: CartctlError) -> str:
    """A failure's message and hint, as two sentences."""
    if not failure.hint:
        return failure.message
    stop = "" if failure.message.endswith((".", "!", "?", ":")) else "."
    return f"{failure.message}{stop} {failure.hint}".strip()


def after_steps(failure: CartctlError, done: Sequence[str]) -> CartctlError:
    """What ends a run whose steps are atomic: a refusal means that nothing changed, so it is none after others."""
    if done and failure.exit_code == Refused.exit_code:
        return OperatorNeeded(
            f"{failure.message} Completed before that: {', '.join(done)}.", hint=failure.hint
        )
    return failure


def with_undo_failures(outcome: Outcome, undo_failed: Mapping[str, str]) -> Outcome:
    """The outcome, extended by the failed undos and their causes, with exit code 5."""
    if not undo_failed:
        return outcome
    failed = "; ".join(f"{key}: {message}" for key, message in undo_failed.items())
    return replace(
        outcome,
        word=RunOutcome.FAILED,
        exit_code=RunOutcome.FAILED.exit_code,
        message=f"{outcome.message} Not reverted: {failed}",
    )


def end_of(failures: Sequence[CartctlError]) -> Outcome:
    """The outcome at the end of a plan; in a rollback it lists the failures that did not stop it."""
    message = " ".join(describe_failure(failure) for failure in failures)
    if any(not isinstance(failure, Inconclusive) for failure in failures):
        return Outcome.of(RunOutcome.FAILED, message)
    return Outcome.of(RunOutcome.INCONCLUSIVE if failures else RunOutcome.SUCCEEDED, message)


def after_bug(outcome: Outcome, *, not_reverted: bool) -> Outcome:
    """Exit code 1 after a bug; if a revert failed as well, 5, and the run stays open for an operator."""
    if not_reverted:
        return replace(outcome, word=RunOutcome.FAILED, exit_code=RunOutcome.FAILED.exit_code, ended=False)
    return replace(outcome, exit_code=1)


def passed(key: str, results: Checks) -> dict[str, Any]:
    """The summary of a check that passed or warned. Raises CheckFailed and Inconclusive for any other verdict."""
    if results.verdict in {Verdict.FAIL, Verdict.UNKNOWN}:
        bad = (
            "; ".join(f"{one.name}: {one.observed}" for one in results.bad()) or "no check returned a result"
        )
        kind = CheckFailed if results.verdict is Verdict.FAIL else Inconclusive
        hint = next((one.hint for one in results.bad() if one.hint), "")
        raise kind(f"{key}: {bad}", hint=hint, evidence={"checks": check_rows(results)})
    return summary(results)


def check_rows(results: Checks) -> list[dict[str, Any]]:
    """Each result for the journal, as texts of at most MAX_CHARACTERS characters; empty fields are not stored."""
    rows = (
        {
            "name": check.name,
            "verdict": check.verdict.value,
            "observed": _text(check.observed),
            "expected": "" if check.verdict is Verdict.PASS else _text(check.expected),
            "hint": "" if check.verdict is Verdict.PASS else cut(check.hint, MAX_CHARACTERS),
            "seconds": round(check.seconds, 3),
            "groups": [dict(group) for group in check.groups],
        }
        for check in results.checks
    )
    return [{name: value for name, value in row.items() if value not in ("", 0, [])} for row in rows]


def _text(value: Any) -> str:
    return "" if value is None else cut(str(value), MAX_CHARACTERS)


def summary(results: Checks) -> dict[str, Any]:
    """The journal's summary of a check that passed: verdict, counts by verdict, warnings, and each result."""
    warnings = [
        f"{check.name}: {check.observed}" for check in results.checks if check.verdict is Verdict.WARN
    ]
    return {
        "verdict": results.verdict.value,
        "counts": dict(results.counts),
        "warnings": warnings,
        "checks": check_rows(results),
    }
