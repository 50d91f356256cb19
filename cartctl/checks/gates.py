"""The gates of a stage: metrics over the lookback period, no trigger, smoke, logs, conversion."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cartctl.adapters.metrics.source import Metric, MetricsSource, PastReading
from cartctl.checks.log_errors import LogErrors
from cartctl.checks.metric_verdicts import VERDICTS
from cartctl.config.model.rollout import Gate
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError
from cartctl.measurements import percentage
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.watch import Watch

AT_ONCE = 10_000  # samples asked for in one query
SAMPLES = 8  # at figures that too little traffic leaves open, while requests of our own arrive

Judge = Callable[[], CheckResult]


@dataclass(frozen=True, slots=True)
class Past:
    """The error rate's past: whose, above which share it is critical, and for how long in a row it may be (seconds).

    `interval` is the time between two samples (seconds).
    """

    source: MetricsSource | None
    critical: float
    sustained: float
    interval: float = 15.0


class Gates(Check):
    """Evaluates every gate once; a pending trigger is observed until it fires or clears.

    `conversion` judges the carts of companies that are on; None while nobody is.
    """

    def __init__(
        self,
        watch: Watch,
        past: Past,
        smoke: Check,
        logs: LogErrors,
        gate: Gate,
        conversion: Judge | None,
        *,
        every: float,
    ) -> None:
        self.key = "gates"
        self._watch = watch
        self._past = past
        self._smoke = smoke
        self._logs = logs
        self._gate = gate
        self._conversion = conversion
        self._every = every
        self.fired = ""  # which trigger, after a look

    def judge(self, pulse: Pulse) -> Checks:
        """One result per gate. Read-only but for the requests it sends."""
        tick = self.sample(pulse, samples=SAMPLES)
        results = [_measured(measure) for measure in tick.metrics]
        results += [_result_or_unknown("error rate before", self._before), self._triggers(tick)]
        results += [_result_or_unknown("smoke", lambda: _worst("smoke", self._smoke.judge(pulse)))]
        self._logs.read()
        results.append(self._logs.result())
        if self._conversion:
            results += [_result_or_unknown("conversion", self._conversion)]
        return Checks.of(results)

    def sample(self, pulse: Pulse, *, samples: int = 1) -> Tick:
        """The tick that says whether a trigger has fired; up to so many while there is too little traffic. Read-only but for its requests."""
        end = pulse.now() + self._past.sustained + 5 * self._every
        self._watch.rebuild(datetime.now(UTC) - self._gate.lookback)
        tick = self._watch.tick()
        while (self._undecided(tick) or (_quiet(tick) and samples > 1)) and pulse.now() < end:
            pulse.pause(self._every)
            tick = self._watch.tick()
            samples -= 1
        self.fired = next((trigger.name for trigger in tick.triggers if trigger.state == "fired"), "")
        return tick

    def close(self) -> None:
        """Let the watch's requests end, and close its connections."""
        self._watch.close()

    @staticmethod
    def _undecided(tick: Tick) -> bool:
        states = {trigger.state for trigger in tick.triggers}
        return "pending" in states and "fired" not in states

    def _triggers(self, tick: Tick) -> CheckResult:
        states = [f"{one.name} {one.state}: {one.detail}" for one in tick.triggers if one.state != "clear"]
        if states:
            return CheckResult(
                "triggers", Verdict.FAIL, "; ".join(states), "clear", "See: cartctl monitor --once"
            )
        return CheckResult("triggers", Verdict.PASS, "clear")

    def _before(self) -> CheckResult:
        """The error rate over the lookback period, from the source's history."""
        if self._past.source is None:
            return CheckResult("", Verdict.UNKNOWN, "no metrics source is configured", hint="Set metrics.")
        now, piece = time.time(), AT_ONCE * self._past.interval
        begin = now - self._gate.lookback.total_seconds()
        samples: list[PastReading] = []
        while begin < now:  # in pieces, since a server answers so many samples at once and no more
            samples += self._past.source.past_error_rates(begin, min(begin + piece, now))
            begin += piece
        return judge_past(samples, self._past)


def _quiet(tick: Tick) -> bool:
    return any(
        measure.verdict in {MetricVerdict.LOW_TRAFFIC, MetricVerdict.NO_DATA} for measure in tick.metrics
    )


def judge_past(samples: Sequence[PastReading], past: Past) -> CheckResult:
    """Fails where the error rate was critical for longer than it may be; warns where it was critical at all.

    Without requests it is no number, which is neither critical nor good: a span ends there.
    """
    known = [one for one in samples if _is_number(one)]
    expected = f"at most {past.critical:.0%}"
    if not known:
        why = f"no requests in {len(samples)} samples" if samples else "the source has no history"
        return CheckResult("", Verdict.WARN, f"{why}: using the current value", expected)
    worst = max(one.value or 0.0 for one in known)
    lasted = max(_breaches(samples, past.critical), default=None)
    if lasted is None:
        return CheckResult("", Verdict.PASS, f"at most {percentage(worst)} in {len(known)} samples", expected)
    verdict = Verdict.FAIL if lasted > past.sustained else Verdict.WARN
    return CheckResult(
        "",
        verdict,
        f"up to {percentage(worst)}, critical for {lasted:.0f} s",
        expected,
        "See: cartctl monitor --once",
    )


def _is_number(one: PastReading) -> bool:
    return one.value is not None and math.isfinite(one.value)


def _breaches(samples: Iterable[PastReading], critical: float) -> Iterator[float]:
    """How long each span of samples above the threshold was, in seconds."""
    first: float | None = None
    for one in samples:
        if not _is_number(one) or (one.value or 0.0) <= critical:
            first = None
            continue
        first = one.at if first is None else first
        yield one.at - first


def _measured(measure: Measure) -> CheckResult:
    names = {Metric.DB_CONNECTIONS: "db connections", Metric.DB_LATENCY_P95: "db latency p95"}
    name = names.get(measure.name, str(measure.name).replace("_", " "))
    value = "nothing measured" if measure.value is None else f"{measure.value:.4g} {measure.unit}"
    verdict = VERDICTS[measure.verdict]
    observed = value if verdict is Verdict.PASS else f"{measure.verdict}: {measure.detail or value}"
    return CheckResult(name, verdict, observed)


def _worst(name: str, checks: Checks) -> CheckResult:
    """Several checks as one."""
    bad = checks.bad()
    observed = "; ".join(f"{one.name}: {one.observed}" for one in bad) or f"{len(checks.checks)} checks pass"
    return CheckResult(name, checks.verdict, observed, hint="See: cartctl smoke" if bad else "")


def _result_or_unknown(name: str, judge: Judge) -> CheckResult:
    """A gate that cannot be evaluated is unknown, never passed."""
    try:
        return replace(judge(), name=name)
    except CartctlError as error:
        return CheckResult(name, Verdict.UNKNOWN, error.message, hint=error.hint)
