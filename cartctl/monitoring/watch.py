"""The monitor of a run: a thread that samples metrics, probes paths and raises an alarm when a rollback trigger fires."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from cartctl.adapters.metrics.source import Metric, MetricsFailed, MetricsSource, Reading
from cartctl.config.model.environment import Monitor, Thresholds
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Inconclusive, as_error
from cartctl.monitoring.assessment import Assessment
from cartctl.monitoring.probes import Probe, Probes
from cartctl.monitoring.thresholds import Limits, rules_of
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import Interval, SpanRule, TriggerFired, TriggerState, horizon

PUNCTUAL = 2.0  # seconds of tolerated difference between two clocks
ENDING = 30.0  # seconds for requests in progress when the watch ends
WINDOW = 60.0  # seconds, where no source has one


class MonitorBroke(Inconclusive):
    """The monitor's thread failed because of a bug: no verdict, and the exit code of a bug."""

    code = "bug"
    exit_code = 1


def _ignore(_tick: Tick) -> None:
    """Ignores samples."""


class Watch:
    """Watches one environment.

    `scrape_interval` is seconds, `clock` seconds since 1970. Without a source, metrics are errors; without probes, probe
    results are missing; neither is ever ok.
    """

    def __init__(
        self,
        source: MetricsSource | None,
        probes: Probes | None,
        thresholds: Thresholds,
        settings: Monitor,
        *,
        scrape_interval: float = 15,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._probes = probes
        self._settings = settings
        self._clock = clock
        self._window = source.window if source else WINDOW
        self._rules = rules_of(thresholds, staleness=self._window, minimum_requests=settings.minimum_requests)
        self._every = settings.every.total_seconds()
        gap = settings.longest_gap(timedelta(seconds=scrape_interval)).total_seconds()
        self._rule = SpanRule(thresholds.error_rate.rollback_after.total_seconds(), gap, self._window)
        self._guard = threading.Lock()
        self._maintenance: list[Interval] = []
        self._assessment = Assessment(self._rules, self._rule, settings.critical_failures)
        self._past_since: float | None = None  # start of the history that the next sample reads
        self._ahead = 0.0  # seconds of the source's clock before ours
        self._seen = dict.fromkeys(Metric, clock())
        self._fired: float | None = None
        self._traffic: threading.Thread | None = None
        self.latest: Tick | None = None

    @property
    def blind_for(self) -> float:
        """Seconds without data of the metric that has been missing longest; too little traffic is not blindness."""
        return self._clock() - min(self._seen.values())

    @property
    def blind_limit(self) -> float:
        """Seconds of blindness after which the result is inconclusive."""
        return self._settings.blind_limit.total_seconds()

    @property
    def sustained(self) -> float:
        """Seconds after which a critical value is not just a spike: those of the error rate's trigger."""
        return self._rule.limit

    @property
    def limits(self) -> Mapping[Metric, Limits]:
        """The bounds by which each metric is judged."""
        return self._rules.limits

    def maintenance_began(self, at: datetime | None = None) -> None:
        """Our own maintenance has started (default: now): its samples are ignored. Thread-safe."""
        with self._guard:
            if not self._maintenance or self._maintenance[-1].end is not None:
                self._maintenance.append(Interval(self._moment(at)))

    def maintenance_ended(self, at: datetime | None = None) -> None:
        """Our own maintenance has ended (default: now). Thread-safe."""
        with self._guard:
            if self._maintenance and self._maintenance[-1].end is None:
                self._maintenance[-1] = replace(self._maintenance[-1], end=self._moment(at))

    def rebuild(self, since: datetime) -> None:
        """Read the error rates since then from the source's history with the next sample, so that a restart loses nothing.

        The sample reads both at one evaluation time. A failed read of the history is retried with the next sample.
        """
        self._past_since = since.timestamp()

    def tick(self) -> Tick:
        """Measure, probe and evaluate once. Read-only except for the requests it sends."""
        started = self._clock()
        readings = self._read()
        now = self._clock()
        current = readings.get(Metric.ERROR_RATE)
        if current is not None:
            self._compare_clocks(current, started, now)
            self._read_past(current, now)
        tick = self._assessment.assess(now, readings, self._probe(), self._intervals())
        for measure in tick.metrics:
            if not measure.verdict.blind:
                self._seen[measure.name] = now
        self.latest = tick
        self._make_traffic(readings)
        return tick

    def _compare_clocks(self, reading: Reading, started: float, now: float) -> None:
        """Samples have the source's time and our maintenance has ours: they are compared on the source's clock."""
        if reading.at is None or reading.age is None:
            return
        evaluated = reading.at + reading.age
        nearest = min(max(evaluated, started), now)
        self._ahead = evaluated - nearest if abs(evaluated - nearest) > PUNCTUAL else 0.0

    def _intervals(self) -> list[Interval]:
        """Our maintenance, on the source's clock."""
        with self._guard:
            return [each.moved(self._ahead) for each in self._maintenance]

    def _read_past(self, current: Reading, now: float) -> None:
        """Read the history requested by `rebuild`, up to the evaluation time of the current reading."""
        if self._past_since is None or self._source is None or current.error:
            return
        until = now if current.at is None or current.age is None else current.at + current.age
        since = max(self._past_since + self._ahead, until - horizon(self._rule))
        with suppress(MetricsFailed):
            for past in self._source.past_error_rates(since, until) if since < until else ():
                self._assessment.add_past(
                    Reading(Metric.ERROR_RATE, past.value, past.at, 0.0, requests=past.requests)
                )
            self._past_since = None

    @contextmanager
    def armed(self, pulse: Pulse, observe: Callable[[Tick], None] = _ignore) -> Iterator["Watch"]:
        """Watch in a thread during a block, call `observe` with every sample, and raise TriggerFired on `pulse`, once.

        The source's connections are closed at the end.
        """
        stop = threading.Event()
        self._seen = dict.fromkeys(Metric, self._clock())
        thread = threading.Thread(
            target=self._run, args=(pulse, stop, observe), name="cartctl monitor", daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(ENDING)
            self.close()

    def close(self) -> None:
        """Wait for the last requests, and close the source's connections."""
        if self._traffic is not None:
            self._traffic.join(ENDING)
        if self._source:
            self._source.close()

    def _run(self, pulse: Pulse, stop: threading.Event, observe: Callable[[Tick], None]) -> None:
        try:
            while not stop.is_set():
                started = time.monotonic()
                tick = self.tick()
                observe(tick)
                self._raise_alarm(tick, pulse)
                stop.wait(max(0.0, self._every - (time.monotonic() - started)))
        except Exception as bug:  # noqa: BLE001 - ends the run: a failed monitor must not pass for a quiet one
            error = as_error(bug)
            broken = MonitorBroke(f"The monitor failed: {error.message}", hint=error.hint)
            broken.__cause__ = bug
            pulse.alarm(broken)

    def _raise_alarm(self, tick: Tick, pulse: Pulse) -> None:
        fired = next((trigger for trigger in tick.triggers if trigger.state == "fired"), None)
        now = self._clock()
        cooling = self._fired is not None and now - self._fired < self._settings.cooldown.total_seconds()
        if fired is None or cooling:
            return
        self._fired = now
        pulse.alarm(trigger_fired(fired))

    def _read(self) -> Mapping[Metric, Reading]:
        if self._source is None:
            return {
                metric: Reading(metric, series=0, error="no metrics source is configured")
                for metric in Metric
            }
        try:
            return self._source.read()
        except CartctlError as error:
            return {metric: Reading(metric, series=0, error=error.message) for metric in Metric}

    def _probe(self) -> tuple[Probe, ...] | None:
        with self._guard:
            maintained = bool(self._maintenance) and self._maintenance[-1].end is None
        if self._probes is None or (maintained and not self._probes.pass_maintenance):
            return None
        return tuple(self._probes.critical())

    def _make_traffic(self, readings: Mapping[Metric, Reading]) -> None:
        """Send enough requests to evaluate the metrics: the shortfall at once, then 1.5 times the minimum.

        Twice the shortfall, because a source does not count the first request of a series.
        """
        minimum = self._settings.minimum_requests
        rates = [reading for metric, reading in readings.items() if self._rules.limits[metric].rate]
        least = min((reading.requests or 0.0 for reading in rates), default=0.0)
        if self._probes and minimum and least < 1.5 * minimum and not self._sending():
            target = max(2 * (minimum - least), 1.5 * minimum * self._every / self._window)
            arguments = (math.ceil(target),)
            self._traffic = threading.Thread(target=self._probes.traffic, args=arguments, daemon=True)
            self._traffic.start()

    def _sending(self) -> bool:
        """Whether the last round is still in progress: a slow service must not slow the watch down."""
        return self._traffic is not None and self._traffic.is_alive()

    def _moment(self, at: datetime | None) -> float:
        return self._clock() if at is None else at.timestamp()


def trigger_fired(state: TriggerState) -> TriggerFired:
    """The alarm for a trigger, with its reason."""
    lasted = f" for {state.for_seconds:.0f} s" if state.for_seconds else ""
    return TriggerFired(
        f"Rollback trigger {state.name} fired: {state.detail or 'above its threshold'}{lasted}.",
        hint="See the current values: cartctl monitor --once",
    )
