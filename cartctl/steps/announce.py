"""Notifications about the start and the outcome of a run. A failing notifier never stops a run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cartctl.adapters.notifiers.webhook import NotAccepted, Notifier, named
from cartctl.engine.events import RunOutcome
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, as_error
from cartctl.redaction import cut

MAX_CHARACTERS = 500  # characters of a cause


class Announce(Action[dict[str, Any]]):
    """Notifies that the run starts."""

    harmless: ClassVar[bool] = True

    def __init__(self, key: str, notifiers: Sequence[Notifier]) -> None:
        self.key = key
        self._notifiers = tuple(notifiers)

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a chat cannot be queried
        """None: a duplicate message is less harmful than a missing one."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all; failures are in `not_notified` and in `warnings`."""
        return self._notify(f"cartctl: run {run.id} starts in {run.env}.", self._notifiers, pulse)

    def _notify(self, text: str, notifiers: Sequence[Notifier], pulse: Pulse) -> dict[str, Any]:
        notified: list[str] = []
        missed: list[dict[str, str]] = []
        for name, notifier in named(notifiers):
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


def _is_alarm(failure: Exception, pulse: Pulse) -> bool:
    """Whether the failure is the run's own alarm (Ctrl-C or a trigger), raised while waiting for a notifier."""
    return isinstance(failure, Interrupted) or failure is pulse.cause


def _reason(failure: Exception) -> str:
    return failure.reason if isinstance(failure, NotAccepted) else as_error(failure).message


class AnnounceOutcome(Announce):
    """Notifies of the run's outcome, also if it failed; `rolled_back` are the notifiers of a rollback, by default the same."""

    always: ClassVar[bool] = True

    def __init__(
        self, key: str, finished: Sequence[Notifier], rolled_back: Sequence[Notifier] | None = None
    ) -> None:
        super().__init__(key, finished)
        self._rolled_back = self._notifiers if rolled_back is None else tuple(rolled_back)

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Notify all, as `Announce` does: outcome, cause, time, next command and report."""
        reverted = run.outcome == RunOutcome.ROLLED_BACK
        notifiers = self._rolled_back if reverted else self._notifiers
        return self._notify(_outcome_text(run), notifiers, pulse)


def _outcome_text(run: Run) -> str:
    outcome = RunOutcome.SUCCEEDED if run.outcome == RunOutcome.RUNNING else run.outcome.replace("_", " ")
    took = timedelta(seconds=round((datetime.now(UTC) - run.started).total_seconds()))
    lines = [f"cartctl: run {run.id} in {run.env}: {outcome}."]
    lines += [f"Cause: {cut(run.cause, MAX_CHARACTERS)}"] if run.cause else []
    lines += [f"Started: {run.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, time: {took}"]
    lines += [f"Next: {run.next_command}"] if run.next_command else []
    return "\n".join([*lines, f"Report: cartctl report {run.id} --env {run.env}"])
