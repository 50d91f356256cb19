"""Unit tests of the exported rules for promtool, with this environment's own thresholds and times.

They give what a reading contains (value, age, requests, boundaries), so that they do not depend on the queries.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.export.alerts import CRITICAL_PATHS_TRIGGER, ERROR_RATE_TRIGGER, PATHS_NO_DATA
from cartctl.monitoring.export.promql import Names, alert_name, duration
from cartctl.monitoring.export.settings import RuleSettings
from cartctl.monitoring.thresholds import Limits

FEWEST, STEPS = 10, 1000  # evaluations within the trigger's time
NAN, NOTHING = "NaN", "_"
Test = dict[str, Any]
Alerts = Mapping[str, Mapping[int, bool]]  # alert → step → whether it fires


@dataclass(frozen=True, slots=True)
class Part:
    """A value for some steps of a series; of a series that has ended, Prometheus forgets the last value at once."""

    value: str
    steps: int

    def __str__(self) -> str:
        if self.value == NOTHING:
            return f"stale _x{self.steps - 1}" if self.steps > 1 else "stale"
        return " ".join([NAN] * self.steps) if self.value == NAN else f"{self.value}+0x{self.steps - 1}"


def rule_tests(settings: RuleSettings, rule_file: str) -> dict[str, Any]:
    """The test file; it lies beside the file of the rules."""
    writer = _Writer(settings)
    return {
        "rule_files": [rule_file],
        "evaluation_interval": duration(writer.step),
        "tests": list(_tests(settings, writer)),
    }


def _tests(settings: RuleSettings, writer: "_Writer") -> Iterator[Test]:
    if settings.rollback_after > 0:
        yield from writer.of_trigger()
        yield from writer.of_gaps()
    if settings.probes_job in settings.probes:
        yield from writer.of_paths()
    yield from writer.of_metrics()


class _Writer:
    """Writes tests in steps of time: small enough for each time that they are about."""

    def __init__(self, settings: RuleSettings) -> None:
        self._settings = settings
        self._names = Names(settings.env)
        limit = settings.rollback_after
        self.step = min(settings.every, 1.0 if limit >= FEWEST else max(0.001, round(limit / FEWEST, 3)))
        if limit > STEPS:
            self.step = min(settings.every, math.ceil(limit / STEPS))
        self._limit = self._steps(limit)

    def _steps(self, seconds: float) -> int:
        return math.floor(round(seconds / self.step, 3))

    def of_trigger(self) -> Iterator[Test]:
        """The first trigger at its time, one step before and after it; good samples, and too few requests."""
        limit, begin = self._limit, 10
        bad, good = self._error_rate(above=True), self._error_rate(above=False)
        fires = {begin + limit - 1: False, begin + limit: False, begin + limit + 1: True}
        yield self._rate("fires after more than its time", [Part(good, begin), Part(bad, limit + 2)], fires)
        yield self._rate("also without samples before", [Part(NOTHING, begin), Part(bad, limit + 2)], fires)
        half = limit // 2
        cleared = [Part(bad, half), Part(good, 1), Part(bad, limit + 2)]
        yield self._rate("one good sample clears", cleared, self._again(half + 1))
        if minimum := self._settings.rules.minimum_requests:
            few = self._reading(Metric.ERROR_RATE, [Part(bad, limit + 2)], requests=minimum - 1)
            alerts = {ERROR_RATE_TRIGGER: {limit + 1: False}}
            yield self._test(f"{ERROR_RATE_TRIGGER}: too few requests fire nothing", few, alerts)

    def of_gaps(self) -> Iterator[Test]:
        """Samples that are missing or NaN: for a short time they are ignored, after a long one the time starts again."""
        limit, half = self._limit, self._limit // 2
        bad = self._error_rate(above=True)
        short = min(self._steps(self._settings.max_gap), limit - half) - 1
        long = self._steps(self._settings.max_gap + self._settings.every)
        if short > 0:
            parts = [Part(bad, half), Part(NOTHING, short), Part(bad, limit + 2)]
            yield self._rate("a gap that is short", parts, {limit: False, limit + 1: True})
        for value, name in ((NOTHING, "a gap"), (NAN, "NaN")):
            parts = [Part(bad, half), Part(value, long), Part(bad, limit + 2)]
            yield self._rate(f"{name} that is too long", parts, self._again(half + long))
        yield self._rate("NaN alone fires nothing", [Part(NAN, limit + 2)], {limit + 1: False})

    def of_paths(self) -> Iterator[Test]:
        """The second trigger: one failure short of the number, and the number; and no probes at all."""
        failures = self._settings.critical_failures
        values = ["1", *["0"] * (failures - 1), "1", *["0"] * failures]
        name = self._settings.probes.replace("}", ', path="payments"}')
        ends = len(values) - 1
        times = {failures: False, ends - 1: False, ends: True}
        alerts = {CRITICAL_PATHS_TRIGGER: times}
        every = self._settings.every
        yield self._test(f"{CRITICAL_PATHS_TRIGGER}: in a row", {name: " ".join(values)}, alerts, every)
        blind = self._steps(self._settings.blind_limit)
        silent = {name: f"1+0x1 stale _x{blind + 2}"}
        yield self._test("no probes", silent, {PATHS_NO_DATA: {blind + 1: False, blind + 2: True}})

    def of_metrics(self) -> Iterator[Test]:
        """Every metric at its thresholds and above them, with stale data, and with none."""
        limits = self._settings.rules.limits
        bounds = [self._thresholds(metric, bound) for metric, bound in limits.items()]
        yield self._of_all("at and above the thresholds", bounds)
        blind = self._steps(self._settings.blind_limit)
        times = {blind + 1: False, blind + 2: True}
        old = f"1+0x1 {Part(f'{self._settings.rules.staleness + 1:g}', blind + 2)}"
        stale, missing_data = [], []
        for metric in limits:
            no_data = {alert_name(metric, "NoData"): times}
            series = self._reading(metric, [Part("0", blind + 4)])
            series[self._names.series(metric, "age_seconds")] = old
            stale.append((series, no_data | {alert_name(metric, "Stale"): {1: False, 2: True}}))
            missing_data.append((self._reading(metric, [Part("0", 2), Part(NOTHING, blind + 2)]), no_data))
        yield self._of_all("stale data", stale)
        yield self._of_all("no data", missing_data)

    def _of_all(self, name: str, parts: Sequence[tuple[dict[str, str], Alerts]]) -> Test:
        series = {one: values for given, _ in parts for one, values in given.items()}
        return self._test(
            name, series, {alert: times for _, given in parts for alert, times in given.items()}
        )

    def _thresholds(self, metric: Metric, limits: Limits) -> tuple[dict[str, str], Alerts]:
        values = [limits.warning, limits.warning * 1.01, limits.critical, limits.critical * 1.01]
        series = self._reading(metric, [Part(f"{value:.12g}", 1) for value in values])
        alerts = {
            alert_name(metric, suffix): {step: value > bound for step, value in enumerate(values)}
            for suffix, bound in (("Warning", limits.warning), ("Critical", limits.critical))
        }
        return series, alerts

    def _again(self, begin: int) -> dict[int, bool]:
        """The time starts again at a step: it does not fire as if it had started with the first."""
        limit = self._limit
        return {limit + 1: False, begin + limit - 2: False, begin + limit: False, begin + limit + 1: True}

    def _rate(self, name: str, parts: list[Part], fires: Mapping[int, bool]) -> Test:
        return self._test(
            f"{ERROR_RATE_TRIGGER}: {name}",
            self._reading(Metric.ERROR_RATE, parts),
            {ERROR_RATE_TRIGGER: fires},
        )

    def _error_rate(self, *, above: bool) -> str:
        critical = self._settings.rules.limits[Metric.ERROR_RATE].critical
        return f"{critical * 1.5 if above else critical / 2:.12g}"

    def _reading(
        self, metric: Metric, parts: list[Part], *, age: float = 1, requests: float | None = None
    ) -> dict[str, str]:
        """The series of a metric's readings: everything but the value stays as it is."""
        limits: Limits = self._settings.rules.limits[metric]
        steps = sum(part.steps for part in parts)
        fields = {"value": " ".join(map(str, parts)), "age_seconds": str(Part(f"{age:g}", steps))}
        if limits.rate:
            enough = self._settings.rules.minimum_requests
            fields["requests"] = str(Part(f"{enough if requests is None else requests:g}", steps))
        if self._settings.has_boundaries(limits):
            fields["top_bucket_seconds"] = str(Part(f"{2 * limits.critical:.12g}", steps))
        return {self._names.series(metric, part): values for part, values in fields.items()}

    def _test(
        self, name: str, series: Mapping[str, str], alerts: Alerts, interval: float | None = None
    ) -> Test:
        seconds = interval or self.step
        return {
            "name": name,
            "interval": duration(seconds),
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
                    "eval_time": duration(step * seconds),
                    "exp_samples": [{"labels": "{}", "value": int(fires)}],
                }
                for alert, times in alerts.items()
                for step, fires in times.items()
            ],
        }
