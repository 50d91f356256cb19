"""The monitor of a run; the run's events mark its own maintenance."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from cartctl.engine.events import Event, EventKind
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows, View
from cartctl.monitoring.probes import Probes
from cartctl.monitoring.samples import FILE, SampleRecorder
from cartctl.monitoring.scale import Scale
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.watch import Watch
from cartctl.ports import Ports


def new_watch(ports: Ports) -> Watch:
    """A watch of the environment with connections of its own."""
    env = ports.env
    return Watch(
        ports.new_metrics() if env.metrics else None,
        Probes(ports.api),
        env.thresholds,
        env.monitor,
        scrape_interval=env.metrics.scrape_interval.total_seconds() if env.metrics else 15,
    )


@runtime_checkable
class SampleView(Protocol):
    """A view that also shows the monitor's samples."""

    def sampled(self, tick: Tick, scale: Scale) -> None:
        """One sample, and what it is compared with. Called from the monitor's thread."""


def sample_observer(view: View, ports: Ports) -> Callable[[Tick], None]:
    """Passes samples to a view that shows them."""
    if not isinstance(view, SampleView):
        return lambda _tick: None
    scale = Scale.of(ports.env)
    return lambda tick: view.sampled(tick, scale)


def new_recorder(ports: Ports, watch: Watch, run: str) -> SampleRecorder:
    """Records the watch's samples for the run's report, with the replicas of the environment's deployments."""
    release, cluster = ports.env.release, ports.env.cluster
    named = (
        *release.api,
        *release.workers,
        *release.frontend,
        *cluster.workers.deployments,
        *cluster.prewarm,
    )
    names = dict.fromkeys(name.partition(".")[0] for name in named)

    def replicas() -> dict[str, tuple[int, int]]:
        known = ports.cluster.deployments()
        return {name: (known[name].available, known[name].replicas) for name in names if name in known}

    return SampleRecorder(ports.run_directory(run) / FILE, watch.limits, replicas)


class MonitoredView:
    """A view that reports the run's maintenance to the watch, so that it does not count as an outage."""

    def __init__(self, view: View, watch: Watch) -> None:
        self._view = view
        self._watch = watch

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Passed on."""
        self._view.started(run_id, plan_rows)

    def event(self, event: Event) -> None:
        """Passed on, after the watch was updated."""
        follow_maintenance(self._watch, event)
        self._view.event(event)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Passed on."""
        self._view.progress(done, total, unit)

    def finished(self, report: RunReport) -> None:
        """Passed on."""
        self._view.finished(report)


def follow_maintenance(watch: Watch, event: Event) -> None:
    """Update the watch when an event starts or ends the run's maintenance."""
    if event.event == EventKind.INTENDED and event.data.get("kind") == "maintenance":
        watch.maintenance_began(event.at)
    elif event.event == EventKind.RESTORED and event.data.get("of", event.key) == "maintenance.on":
        watch.maintenance_ended(event.at)
