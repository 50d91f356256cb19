"""What may come of a run, and how a step's findings are told in its journal."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from cartctl.engine.model import Checks, Verdict
from cartctl.errors import CartctlError


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


def told_of(failure: CartctlError) -> str:
    """A failure's sentence and hint."""
    return f"{failure.message} {failure.hint}".strip()


def summary(found: Checks) -> dict[str, Any]:
    """What a journal keeps of a check that passed: the verdict, how many of each, and the warnings."""
    counted = {verdict.value: sum(check.verdict is verdict for check in found.checks) for verdict in Verdict}
    warned = [f"{check.name}: {check.observed}" for check in found.checks if check.verdict is Verdict.WARN]
    return {
        "verdict": found.verdict.value,
        "counts": {name: n for name, n in counted.items() if n},
        "warnings": warned,
    }
