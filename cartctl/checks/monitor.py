"""The monitoring step: waits while the run's monitor watches, and judges what it saw."""

import math
from datetime import timedelta

from cartctl.adapters.metrics.source import Metric
from cartctl.checks.log_errors import LogErrors
from cartctl.checks.metric_verdicts import VERDICTS
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.measurements import measured
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.watch import Watch

POLL = 0.25  # seconds between looks at the watch's latest tick


class Monitor(Check):
    """Waits `for_` on an armed pulse, reading `watch` and counting in `logs`; a trigger that fires surfaces in the wait."""

    def __init__(self, key: str, watch: Watch, for_: timedelta, logs: LogErrors) -> None:
        self.key = key
        self._watch = watch
        self._logs = logs
        self._seconds = for_.total_seconds()

    def judge(self, pulse: Pulse) -> Checks:
        """One result per metric, as it was at the end and in between, and one of the logs. Read-only.

        Raises TriggerFired through the pulse.
        """
        course = Course()
        started = pulse.now()
        first = self._watch.latest  # from before: counts for nothing
        while (elapsed := pulse.now() - started) < self._seconds or self._watch.latest is first:
            pulse.progress(min(elapsed, self._seconds), self._seconds, "s")
            if (blind := min(elapsed, self._watch.blind_for)) > self._watch.blind_limit:
                return Checks((self._blind(blind),))
            latest = self._watch.latest
            if latest is not None and latest is not first:
                course.see(latest)
            self._logs.read_if_due(pulse.now())
            pulse.pause(min(POLL, max(0.01, self._seconds - elapsed)))
        pulse.progress(self._seconds, self._seconds, "s")
        if self._watch.latest is not None:
            course.see(self._watch.latest)
        self._logs.read()
        return Checks((*course.judge(self._watch.sustained).checks, self._logs.result()))

    def _blind(self, seconds: float) -> CheckResult:
        latest = self._watch.latest
        unseen = [f"{m.name}: {m.detail}" for m in latest.metrics if m.verdict.blind] if latest else []
        return CheckResult(
            "monitor",
            Verdict.UNKNOWN,
            observed=f"blind for {seconds:.0f} s" + (f" ({'; '.join(unseen)})" if unseen else ""),
            expected=f"measurements within {self._watch.blind_limit:g} s",
            hint="Check the metrics source: cartctl monitor --check-queries.",
        )


class Course:
    """What the ticks showed over a time: the last measure, the worst one, and since when a metric is critical."""

    def __init__(self) -> None:
        self._last: dict[Metric, Measure] = {}
        self._worst: dict[Metric, Measure] = {}
        self._critical: dict[Metric, float] = {}
        self._at = 0.0
        self._ticks = 0

    def see(self, tick: Tick) -> None:
        """Take in a tick; the latest one once more changes nothing."""
        if self._ticks and self._at == tick.at.timestamp():
            return
        self._at = tick.at.timestamp()
        self._ticks += 1
        for measure in tick.metrics:
            self._last[measure.name] = measure
            if measure.verdict is MetricVerdict.CRITICAL:
                self._critical.setdefault(measure.name, self._at)
            elif measure.verdict.decided:
                self._critical.pop(measure.name, None)
            if measure.verdict.decided and _badness(measure) > _badness(self._worst.get(measure.name)):
                self._worst[measure.name] = measure

    def judge(self, sustained: float) -> Checks:
        """One result per metric. Critical for longer than `sustained` seconds until the end fails; a spike warns."""
        return Checks.of(self._result(metric, sustained) for metric in self._last)

    def _result(self, metric: Metric, sustained: float) -> CheckResult:
        last, worst = self._last[metric], self._worst.get(metric)
        if VERDICTS[last.verdict] is Verdict.UNKNOWN or worst is None:
            return CheckResult(
                metric,
                Verdict.UNKNOWN,
                observed=f"{last.verdict}: {last.detail}",
                expected="a usable value",
                hint="See cartctl monitor --check-queries.",
            )
        lasting = self._at - self._critical[metric] if metric in self._critical else -math.inf
        observed = f"{show(last)}, peak {show(worst)} ({worst.verdict}), {self._ticks} samples"
        if lasting > sustained:
            return CheckResult(
                metric,
                Verdict.FAIL,
                f"{observed}, critical for {lasting:.0f} s",
                "below its critical threshold",
            )
        good = worst.verdict is MetricVerdict.OK and last.verdict is MetricVerdict.OK
        verdict = Verdict.PASS if good else Verdict.WARN
        return CheckResult(metric, verdict, observed, "below its warning threshold")


def _badness(measure: Measure | None) -> tuple[int, float]:
    if measure is None:
        return -1, 0.0
    return [MetricVerdict.OK, MetricVerdict.WARNING, MetricVerdict.CRITICAL].index(
        measure.verdict
    ), measure.value or 0.0


def show(measure: Measure) -> str:
    """A measure's value for people."""
    if measure.value is None:
        return "-"
    return measured(measure.value, measure.unit)
