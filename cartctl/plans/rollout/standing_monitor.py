"""`monitor --auto-abort --lease`: of several processes one monitors, and only while a rollout is under way.

For a Deployment in the cluster, whose pods are restarted whenever they end: after an abort, the next one waits for a new rollout.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from cartctl.adapters.cluster import Held
from cartctl.engine.events import EFFECTIVE
from cartctl.engine.lock import whoami
from cartctl.engine.pulse import Pulse
from cartctl.errors import Locked, LockLost
from cartctl.plans.rollout.inputs import open_inputs
from cartctl.ports import Ports

LEASE = "cartctl-monitor"
WAIT = 5.0  # seconds between two attempts
ALWAYS = datetime.fromtimestamp(0, UTC)

Say = Callable[[str], None]


@contextmanager
def hold_monitor_lease(ports: Ports, pulse: Pulse, say: Say, *, wait: float = WAIT) -> Iterator[Held]:
    """Hold the lease of the monitor; wait while another process holds it, trying every `wait` seconds."""
    holder = "monitor of {user}@{host} (pid {pid})".format(**whoami())
    with ExitStack() as stack:
        held: Held | None = None
        reported = ""
        while held is None:
            pulse.check()
            try:
                held = stack.enter_context(ports.cluster.lease(holder, name=LEASE))
            except Locked as locked:
                if reported != locked.message:
                    say(f"Waiting: {locked.message}")
                reported = locked.message
                pulse.pause(wait)
        yield held


def await_rollout(ports: Ports, pulse: Pulse, say: Say, *, wait: float = WAIT) -> datetime:
    """Wait for a rollout that was started and not aborted; the time of its start."""
    since = rollout_start(ports)
    if since is None:
        say("Waiting for a rollout to start.")
    while since is None:
        pulse.pause(wait)
        since = rollout_start(ports)
    return since


def rollout_start(ports: Ports) -> datetime | None:
    """When the current rollout started; None without one. While that is unknown, there may be one: the earliest time. Read-only."""
    with open_inputs(ports, read_only=True, without_database=True) as inputs:
        if inputs.journals.main is None:
            return ALWAYS
        record = inputs.record
        starts = [step.at for step in record.history if step.action == "start" and step.outcome in EFFECTIVE]
        if not record.under_way:
            return None
        return (starts and starts[-1]) or ALWAYS


def alarm_if_lost(held: Held, pulse: Pulse) -> None:
    """End the monitoring when another process has taken the lease."""
    try:
        held.confirm()
    except LockLost as lost:
        pulse.alarm(lost)
