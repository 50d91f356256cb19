"""Notifications about the start and the outcome of a run. A failing notifier never stops a run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from cartctl.adapters.notify import NotAccepted, Webhook
from cartctl.engine.events import RunOutcome
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, as_error


class Announce(Action[dict[str, Any]]):
    """Notifies that the run starts."""

    harmless: ClassVar[bool] = True

    def __init__(self, key: str, notifiers: Sequence[Webhook]) -> None:
        self.key = key
        self._notifiers = tuple(notifiers)

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a chat cannot be queried
        """None: a duplicate message does less harm than a missing one."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all; failures are in `not_notified` and in `warnings`."""
        return self._notify(f"cartctl: run {run.id} begins in {run.env}.", pulse)

    def _notify(self, text: str, pulse: Pulse) -> dict[str, Any]:
        notified: list[str] = []
        missed: list[dict[str, str]] = []
        for name, notifier in self._with_names():
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

    def _with_names(self) -> list[tuple[str, Webhook]]:
        """Notifiers with their host names; several on one host are numbered."""
        totals, numbers, named = Counter(one.name for one in self._notifiers), Counter[str](), []
        for one in self._notifiers:
            numbers[one.name] += 1
            named.append((f"{one.name} #{numbers[one.name]}" if totals[one.name] > 1 else one.name, one))
        return named


def _is_alarm(failure: Exception, pulse: Pulse) -> bool:
    """Whether the failure is the run's own alarm (Ctrl-C or a trigger), raised while waiting for a notifier."""
    return isinstance(failure, Interrupted) or failure is pulse.cause


def _reason(failure: Exception) -> str:
    return failure.reason if isinstance(failure, NotAccepted) else as_error(failure).message


class AnnounceOutcome(Announce):
    """Notifies of the run's outcome, also if it failed."""

    always: ClassVar[bool] = True

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all, as `Announce` does."""
        outcome = RunOutcome.SUCCEEDED if run.outcome == RunOutcome.RUNNING else run.outcome.replace("_", " ")
        return self._notify(f"cartctl: run {run.id} in {run.env}: {outcome}.", pulse)
