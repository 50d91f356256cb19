"""When a deployment must be rolled back: pure functions of samples, probes and maintenance intervals.

Trigger 2 is the error rate above its threshold for longer than allowed; trigger 3 a critical path that fails repeatedly.
Times are seconds since 1970.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from cartctl.errors import StepFailed
from cartctl.measurements import percentage

State = Literal["clear", "pending", "fired"]


class TriggerFired(StepFailed):
    """A rollback trigger fired."""

    code = "trigger_fired"


class Sign(StrEnum):
    """The meaning of one error-rate sample for the trigger."""

    BREACH = "breach"
    GOOD = "good"
    NEITHER = "neither"  # too little traffic, no data, an error


@dataclass(frozen=True, slots=True)
class Sample:
    """The error rate at the time of its newest measurement."""

    at: float
    sign: Sign
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """Our own maintenance; `end` is None while it lasts."""

    begin: float
    end: float | None = None

    def moved(self, seconds: float) -> "Interval":
        """The same interval on a clock that is so many seconds ahead."""
        end = None if self.end is None else self.end + seconds
        return Interval(self.begin + seconds, end) if seconds else self

    def disturbs(self, since: float, until: float, window: float) -> bool:
        """Whether a rate over `window` at any time from `since` to `until` would include part of it."""
        return self.begin < until and (self.end is None or round(since - window - self.end, 3) < 0)


@dataclass(frozen=True, slots=True)
class SpanRule:
    """Trigger 2: breaching for longer than `limit` seconds, without a gap longer than `max_gap` between samples.

    `window` is the period of a sample's rate in seconds.
    """

    limit: float
    max_gap: float
    window: float


@dataclass(frozen=True, slots=True)
class TriggerState:
    """The state of a trigger; while it is pending, `for_seconds` or `detail` says for how long."""

    name: str
    state: State
    for_seconds: float = 0.0
    detail: str = ""


@dataclass(slots=True)
class Span:
    """The breach that lasts at the newest sample: trigger 2 as a fold over samples in the order of their time.

    It fires when the time from the first breaching sample to the newest one exceeds the limit, every sample between them
    breaching, and the current reading is a breach too: without data now, the trigger stays pending. A good sample clears. One
    that is neither is ignored. A longer gap starts a new span, as does maintenance: samples whose window overlaps it are ignored.
    Limit and gap are strict, to the millisecond of the samples' stamps.
    """

    rule: SpanRule
    maintenance: tuple[Interval, ...] = ()
    first: Sample | None = None  # breach of the span
    newest: Sample | None = None  # breach of the span
    last: Sample | None = None  # of any sign

    def add(self, sample: Sample) -> None:
        """Take in the next sample, which is not older than the one before."""
        self.last = sample
        if sample.sign is Sign.NEITHER:
            return
        disturbed = any(each.disturbs(sample.at, sample.at, self.rule.window) for each in self.maintenance)
        if disturbed or sample.sign is Sign.GOOD:
            self.first = self.newest = None
            return
        if self.newest is None or _separate(self.newest, sample, self.maintenance, self.rule):
            self.first = sample
        self.newest = sample

    def state(self, current: Sign) -> TriggerState:
        """The state at the newest sample; `current` is the sign of the current reading."""
        if self.first is None or self.newest is None:
            return TriggerState("error_rate", "clear")
        lasted = round(self.newest.at - self.first.at, 3)
        fired = lasted > self.rule.limit and self.last is self.newest and current is Sign.BREACH
        return TriggerState("error_rate", "fired" if fired else "pending", lasted, _breach(self.newest))


def error_rate_trigger(
    samples: Iterable[Sample], maintenance: Iterable[Interval], rule: SpanRule, *, current: Sign = Sign.BREACH
) -> TriggerState:
    """Trigger 2 over the samples of the past, in any order: the state at the newest one."""
    span = Span(rule, tuple(maintenance))
    for sample in sorted(samples, key=lambda sample: sample.at):
        span.add(sample)
    return span.state(current)


def _separate(before: Sample, after: Sample, intervals: tuple[Interval, ...], rule: SpanRule) -> bool:
    """Whether two samples belong to different spans: a gap, or maintenance that touched neither of them."""
    maintained = any(before.at <= interval.begin < after.at for interval in intervals)
    return maintained or round(after.at - before.at, 3) > rule.max_gap


def _breach(sample: Sample) -> str:
    return "" if sample.value is None else f"error rate {percentage(sample.value)}"


def horizon(rule: SpanRule) -> float:
    """How many seconds of samples are needed; older ones may be discarded."""
    return 2 * rule.limit + rule.max_gap + rule.window


@dataclass(frozen=True, slots=True)
class Failures:
    """Trigger 3: consecutive failures of each critical path."""

    limit: int
    counts: Mapping[str, int]

    def after(self, name: str, *, ok: bool) -> "Failures":
        """The counts after one more probe of a path; a success clears it."""
        return replace(self, counts={**self.counts, name: 0 if ok else self.counts.get(name, 0) + 1})

    def reset(self) -> "Failures":
        """No failures, after a pause without probes."""
        return replace(self, counts={})

    def state(self) -> TriggerState:
        """Fired if any path has reached the limit."""
        name, worst = max(self.counts.items(), key=lambda item: item[1], default=("", 0))
        state: State = "fired" if worst >= self.limit else "pending" if worst else "clear"
        return TriggerState(
            "critical_paths", state, detail=f"{name} failed {worst} times in a row" if worst else ""
        )
