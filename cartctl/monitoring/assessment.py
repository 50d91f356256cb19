"""Verdicts and triggers from readings over time, without a clock or source of its own.

The monitor of a run and the replay of a recorded one assess with this class, so that they cannot differ.
"""

import math
from bisect import insort
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import attrgetter

from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.thresholds import MetricVerdict, Rules, judge
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import (
    Failures,
    Interval,
    Sample,
    Sign,
    Span,
    SpanRule,
    horizon,
)

SIGNS = {MetricVerdict.CRITICAL: Sign.BREACH, MetricVerdict.OK: Sign.GOOD, MetricVerdict.WARNING: Sign.GOOD}


class Assessment:
    """Assesses one sample after another. `critical_failures` in a row of a critical path fire its trigger."""

    def __init__(self, rules: Rules, span: SpanRule, critical_failures: int) -> None:
        self._rules = rules
        self._rule = span
        self._span = Span(span)
        self.samples: list[Sample] = []  # of the error rate, as far back as they count, by time
        self._failures = Failures(critical_failures, {})

    def add_past(self, reading: Reading) -> None:
        """Add an error rate from before the next sample."""
        self._add(reading, judge(reading, self._rules)[0])

    def assess(
        self,
        at: float,
        readings: Mapping[Metric, Reading],
        probes: tuple[Probe, ...] | None,
        maintenance: Iterable[Interval],
    ) -> Tick:
        """The tick at a time (seconds since 1970). Without `probes`, earlier failures are forgotten.

        `maintenance` has the times of the samples' clock.
        """
        measures, current = [], Sign.NEITHER
        for metric, reading in readings.items():
            verdict, why = judge(reading, self._rules)
            if metric is Metric.ERROR_RATE:
                current = SIGNS.get(verdict, Sign.NEITHER)
                self._add(reading, verdict)
            measures.append(self._measure(reading, verdict, why))
        self._count(probes)
        self._allow_for(tuple(maintenance))
        triggers = (self._span.state(current), self._failures.state())
        return Tick(datetime.fromtimestamp(at, UTC), tuple(measures), triggers, probes or ())

    def _add(self, reading: Reading, verdict: MetricVerdict) -> None:
        if reading.at is None:
            return
        sample = Sample(reading.at, SIGNS.get(verdict, Sign.NEITHER), reading.value)
        if self.samples and sample.at < self.samples[-1].at:  # of a history that is read later
            insort(self.samples, sample, key=attrgetter("at"))
            self._fold(self._span.maintenance)
        else:
            self.samples.append(sample)
            self._span.add(sample)
        while self.samples[0].at <= self.samples[-1].at - horizon(self._rule):
            del self.samples[0]

    def _allow_for(self, maintenance: tuple[Interval, ...]) -> None:
        """Maintenance may become known after the samples that it disturbs."""
        if maintenance != self._span.maintenance:
            self._fold(maintenance)

    def _fold(self, maintenance: tuple[Interval, ...]) -> None:
        self._span = Span(self._rule, maintenance)
        for sample in self.samples:
            self._span.add(sample)

    def _count(self, probes: tuple[Probe, ...] | None) -> None:
        if probes is None:
            self._failures = self._failures.reset()
        for probe in probes or ():
            self._failures = self._failures.after(probe.name, ok=probe.ok)

    def _measure(self, reading: Reading, verdict: MetricVerdict, why: str) -> Measure:
        return Measure(
            reading.metric,
            _finite(reading.value),
            self._rules.limits[reading.metric].unit,
            verdict,
            why or reading.detail,
            sampled_at=None if reading.at is None else datetime.fromtimestamp(reading.at, UTC),
            age_seconds=_finite(reading.age),
            requests=_finite(reading.requests),
            highest_boundary=_finite(reading.top_bucket),
        )


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
