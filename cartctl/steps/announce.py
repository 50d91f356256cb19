"""Tells stakeholders that the window opens, and how it ended."""

from collections.abc import Sequence
from typing import Any, ClassVar

from cartctl.adapters.notify import Webhook
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed

RUNNING = "running"  # what a run still is when it reaches the report at the end of its plan


class Announce(Action[dict[str, Any]]):
    """Tells every notifier that the window opens."""

    harmless: ClassVar[bool] = True

    def __init__(self, key: str, notifiers: Sequence[Webhook]) -> None:
        self.key = key
        self._notifiers = tuple(notifiers)

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a chat cannot be asked
        """Nothing: a message told twice does less harm than one never told."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Tell all of them. Raises StepFailed naming those that did not take it, once every one was tried."""
        result = self._tell(f"cartctl: run {run.id} begins in {run.env}.", pulse)
        if result["failed"]:
            raise StepFailed(" ".join(result["failed"]), hint="Check notify in the configuration.")
        return result

    def _tell(self, text: str, pulse: Pulse) -> dict[str, Any]:
        told, failed = [], []
        for notifier in self._notifiers:
            pulse.check()
            try:
                notifier.post(text)
                told.append(notifier.name)
            except StepFailed as failure:
                failed.append(failure.message)
        return {"text": text, "told": told, "failed": failed}


class AnnounceOutcome(Announce):
    """Tells every notifier how the run ended, also when it failed.

    A notifier that does not take it is reported and changes nothing: a chat that is down is no reason to take back a
    deployment that stands.
    """

    always: ClassVar[bool] = True

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Tell all of them; those that did not take it are in `failed`."""
        outcome = "succeeded" if run.outcome == RUNNING else run.outcome.replace("_", " ")
        return self._tell(f"cartctl: run {run.id} in {run.env}: {outcome}.", pulse)
