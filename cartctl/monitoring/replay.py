"""What the monitor would have done: the same assessment of past readings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.assessment import Assessment
from cartctl.monitoring.recording import Observation
from cartctl.monitoring.thresholds import MetricVerdict, Rules
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import Interval, SpanRule


@dataclass(frozen=True, slots=True)
class Firing:
    """A trigger that would have fired."""

    name: str
    at: datetime
    for_seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class MetricReplay:
    """One metric over the time: samples by verdict, and the highest value that could be judged."""

    name: Metric
    unit: str
    critical: float
    verdicts: Mapping[MetricVerdict, int]
    peak: float | None = None
    peak_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a monitor would have reported between two times.

    `longest_blind_seconds` is the longest time without data of any metric; longer than `blind_limit_seconds`, a monitor stops.
    """

    kind: ClassVar[str] = "replay"

    since: datetime | None
    until: datetime | None
    samples: int
    metrics: tuple[MetricReplay, ...]
    fired: tuple[Firing, ...]
    longest_blind_seconds: float
    blind_limit_seconds: float

    @property
    def is_blind(self) -> bool:
        """Whether nothing can be concluded: there was no data, for longer than a monitor accepts or at all."""
        decided = all(
            any(decided.decided and n for decided, n in one.verdicts.items()) for one in self.metrics
        )
        return not self.samples or not decided or self.longest_blind_seconds > self.blind_limit_seconds


@dataclass(slots=True)
class _Course:
    """One metric's verdicts so far."""

    unit: str
    verdicts: dict[MetricVerdict, int] = field(default_factory=dict)
    peak: float | None = None
    peak_at: datetime | None = None
    seen: float = 0.0
    longest: float = 0.0

    def add(self, measure: Measure, at: float) -> None:
        """Count a measure; `at` is its tick's time in seconds since 1970."""
        self.verdicts[measure.verdict] = self.verdicts.get(measure.verdict, 0) + 1
        if not measure.verdict.blind:
            self.seen = at
        self.longest = max(self.longest, at - self.seen)
        value = measure.value
        if measure.verdict.decided and value is not None and (self.peak is None or value > self.peak):
            self.peak, self.peak_at = value, measure.sampled_at


def replay(
    observations: Iterable[Observation],
    rules: Rules,
    span: SpanRule,
    *,
    critical_failures: int,
    cooldown: float,
    blind_limit: float,
    maintenance: Sequence[Interval] = (),
) -> Replay:
    """Assess observations, oldest first; all times are seconds. Pure."""
    assessment = Assessment(rules, span, critical_failures)
    courses: dict[Metric, _Course] = {}
    fired: list[Firing] = []
    first = last = None
    samples = 0
    for one in observations:
        tick = assessment.assess(one.at, one.readings, one.probes, maintenance)
        first, last, samples = first or tick.at, tick.at, samples + 1
        for measure in tick.metrics:
            course = courses.setdefault(measure.name, _Course(measure.unit, seen=one.at))
            course.add(measure, one.at)
        fired += _alarms(tick, fired[-1] if fired else None, cooldown)
    metrics = tuple(_metric(metric, course, rules) for metric, course in courses.items())
    blind = max((course.longest for course in courses.values()), default=0.0)
    return Replay(first, last, samples, metrics, tuple(fired), blind, blind_limit)


def _alarms(tick: Tick, before: Firing | None, cooldown: float) -> Iterator[Firing]:
    """The trigger that raises the alarm at a tick, unless one did within the cooldown."""
    if before is not None and (tick.at - before.at).total_seconds() < cooldown:
        return
    for trigger in tick.triggers:
        if trigger.state == "fired":
            yield Firing(trigger.name, tick.at, trigger.for_seconds, trigger.detail)
            return


def _metric(metric: Metric, course: _Course, rules: Rules) -> MetricReplay:
    limits = rules.limits[metric]
    return MetricReplay(metric, course.unit, limits.critical, course.verdicts, course.peak, course.peak_at)
