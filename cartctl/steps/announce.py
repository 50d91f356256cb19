"""Notifies stakeholders that the window opens, and how it ended. A notifier that fails never stops a run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from cartctl.adapters.notify import NotAccepted, Webhook
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, as_error

RUNNING = "running"  # what a run still is when it reaches the report at the end of its plan


class Announce(Action[dict[str, Any]]):
    """Notifies everybody that the window opens."""

    harmless: ClassVar[bool] = True

    def __init__(self, key: str, notifiers: Sequence[Webhook]) -> None:
        self.key = key
        self._notifiers = tuple(notifiers)

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a chat cannot be asked
        """Nothing: a message that is sent twice does less harm than one that is never sent."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all of them; who was not notified, and why, is in `not_notified` and in `warnings`."""
        return self._tell(f"cartctl: run {run.id} begins in {run.env}.", pulse)

    def _tell(self, text: str, pulse: Pulse) -> dict[str, Any]:
        notified: list[str] = []
        missed: list[dict[str, str]] = []
        for name, notifier in self._named():
            pulse.check()
            try:
                notifier.post(text, pulse.pause)
                notified.append(name)
            except Exception as failure:
                if _is_alarm(failure, pulse):
                    raise
                missed.append({"name": name, "reason": _reason(failure)})
        warnings = [f"{one['name']} was not notified: {one['reason']}" for one in missed]
        failed = [one["reason"] for one in missed]
        return {
            "text": text,
            "told": notified,
            "failed": failed,
            "not_notified": missed,
            "warnings": warnings,
        }

    def _named(self) -> list[tuple[str, Webhook]]:
        """Each by its host; several at one host are numbered."""
        many, numbers, named = Counter(one.name for one in self._notifiers), Counter[str](), []
        for one in self._notifiers:
            numbers[one.name] += 1
            named.append((f"{one.name} #{numbers[one.name]}" if many[one.name] > 1 else one.name, one))
        return named


def _is_alarm(failure: Exception, pulse: Pulse) -> bool:
    """Whether it is the run's own: Ctrl-C or a trigger, which surfaced while a notifier was waited for."""
    return isinstance(failure, Interrupted) or failure is pulse.cause


def _reason(failure: Exception) -> str:
    return failure.reason if isinstance(failure, NotAccepted) else as_error(failure).message


class AnnounceOutcome(Announce):
    """Notifies everybody how the run ended, also when it failed."""

    always: ClassVar[bool] = True

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all of them, as at the beginning."""
        outcome = "succeeded" if run.outcome == RUNNING else run.outcome.replace("_", " ")
        return self._tell(f"cartctl: run {run.id} in {run.env}: {outcome}.", pulse)
