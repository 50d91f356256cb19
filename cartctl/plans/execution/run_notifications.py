"""Messages about a run while it runs: a phase starts, a rollback trigger is pending.

They are sent in the background, so that a slow or failing notifier neither delays nor stops the run.
"""

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cartctl.adapters.notifiers.webhook import Notifier
from cartctl.engine.events import Event, EventKind
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows, View
from cartctl.errors import as_error
from cartctl.monitoring.tick import Tick
from cartctl.ports import Ports

ENDING = 10.0  # seconds for messages that wait when the run ends

_log = logging.getLogger("cartctl")


class RunNotifications:
    """Sends the messages of one run in order. Open while the run runs."""

    def __init__(self, env: str, phase: Sequence[Notifier], trigger: Sequence[Notifier]) -> None:
        self._env = env
        self._phase = phase
        self._trigger = trigger
        self._run = ""
        self._phases: dict[str, str] = {}
        self._current = ""
        self._pending: set[str] = set()
        self._waiting: queue.SimpleQueue[tuple[Notifier, str] | None] = queue.SimpleQueue()

    def started(self, run: str, plan_rows: PlanRows) -> None:
        """Take the run's ID and the phases of its steps."""
        self._run, self._phases = run, {key: phase for phase, key, _ in plan_rows}

    def event(self, event: Event) -> None:
        """Notify of a phase when its first step begins."""
        phase = self._phases.get(event.key, "")
        if event.event == EventKind.BEGAN and phase and phase != self._current:
            self._current = phase
            self._send(self._phase, f"phase {phase} starts.")

    def sampled(self, tick: Tick) -> None:
        """Notify of a trigger that becomes pending, once until it is clear again. Called from the watch's thread."""
        for trigger in tick.triggers:
            if trigger.state == "clear":
                self._pending.discard(trigger.name)
            elif trigger.name not in self._pending:
                self._pending.add(trigger.name)
                detail = f": {trigger.detail}" if trigger.detail else ""
                lasted = f" for {trigger.for_seconds:.0f} s" if trigger.for_seconds else ""
                self._send(
                    self._trigger, f"rollback trigger {trigger.name} is {trigger.state}{lasted}{detail}."
                )

    @contextmanager
    def sending(self) -> Iterator["RunNotifications"]:
        """Send during the block; what still waits at its end has ENDING seconds."""
        thread = threading.Thread(target=self._work, name="notifications", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._waiting.put(None)
            thread.join(ENDING)

    def _send(self, notifiers: Sequence[Notifier], sentence: str) -> None:
        for notifier in notifiers:
            self._waiting.put((notifier, f"cartctl: run {self._run} in {self._env}: {sentence}"))

    def _work(self) -> None:
        while (message := self._waiting.get()) is not None:
            notifier, text = message
            try:
                notifier.post(text)
            except Exception as failed:  # noqa: BLE001 - a notifier never stops a run
                _log.warning("%s was not notified: %s", notifier.name, as_error(failed).message)


def new_notifications(ports: Ports) -> RunNotifications:
    """The notifications of a run in this environment."""
    return RunNotifications(ports.env.name, ports.notifiers_on("phase"), ports.notifiers_on("trigger"))


class NotifyingView:
    """A view that passes the run's start and events to its notifications."""

    def __init__(self, view: View, notifications: RunNotifications) -> None:
        self._view = view
        self._notifications = notifications

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Passed on."""
        self._notifications.started(run_id, plan_rows)
        self._view.started(run_id, plan_rows)

    def event(self, event: Event) -> None:
        """Passed on."""
        self._notifications.event(event)
        self._view.event(event)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Passed on."""
        self._view.progress(done, total, unit)

    def finished(self, report: RunReport) -> None:
        """Passed on."""
        self._view.finished(report)
