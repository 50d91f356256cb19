"""The words for the outcomes of a run's steps, the same in text, Markdown and HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping

from cartctl.engine.events import EventKind
from cartctl.engine.report import StepReport

BAD: Mapping[str, str] = {EventKind.FAILED: "failed", EventKind.UNDO_FAILED: "could not be reverted"}
STEP_WORDS: Mapping[str, str] = {
    EventKind.APPLIED: "done",
    EventKind.RESTORED: "reverted",
    EventKind.SKIPPED: "skipped",
    **BAD,
}


def step_counts(steps: Iterable[StepReport]) -> str:
    """How many steps were done, skipped and so on."""
    counted = Counter(STEP_WORDS.get(step.outcome, step.outcome) for step in steps)
    return ", ".join(f"{number} {word}" for word, number in counted.items()) or "none"
