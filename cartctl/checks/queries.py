"""Whether the metrics source can evaluate the monitor's queries: data, freshness, and histogram boundaries."""

from collections.abc import Iterator, Mapping

from cartctl.adapters.metrics.source import MetricsSource, QueryFacts, Reading
from cartctl.config.problems import Problem
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.measurements import latency, measured
from cartctl.monitoring.probes import Probes
from cartctl.monitoring.thresholds import Limits, MetricVerdict, Rules, cannot_decide, judge

HINT = "Check metrics.kind, metrics.url and metrics.queries."
LATE = 1.25  # times the configured interval; scrapes are not that punctual


class Queries(Check):
    """Reads `source` twice, `settle` seconds apart, with a little traffic between: a rate needs two scrapes.

    `interval` is the configured seconds between two samples.
    """

    def __init__(
        self,
        key: str,
        source: MetricsSource,
        probes: Probes | None,
        rules: Rules,
        *,
        settle: float,
        interval: float = 15.0,
    ) -> None:
        self.key = key
        self._source = source
        self._probes = probes
        self._rules = rules
        self._settle = settle
        self._interval = interval

    def judge(self, pulse: Pulse) -> Checks:
        """One result per metric and per query. Read-only but for the requests it sends."""
        self._source.read()
        if self._probes:
            self._probes.traffic(self._rules.minimum_requests)
        pulse.pause(self._settle)
        readings, facts = self._source.read(), self._source.query_facts()
        return Checks.of(result for reading in readings.values() for result in self._results(reading, facts))

    def _results(self, reading: Reading, facts: Mapping[str, QueryFacts]) -> Iterator[CheckResult]:
        yield self._metric(reading)
        for name, fact in facts.items():
            if name.startswith(f"{reading.metric}."):
                yield self._query(name, fact, reading)

    def _metric(self, reading: Reading) -> CheckResult:
        limits = self._rules.limits[reading.metric]
        complete = not reading.error and not reading.partial
        if limits.histogram and complete and (why := cannot_decide(reading.top_bucket, limits)):
            return _undecided(reading.metric, why, limits)
        verdict, why = judge(reading, self._rules)
        if verdict is MetricVerdict.LOW_TRAFFIC:
            return CheckResult(reading.metric, Verdict.WARN, why, "enough requests to evaluate")
        if not verdict.decided:
            return CheckResult(reading.metric, Verdict.FAIL, why, "fresh data", HINT)
        observed = f"{measured(reading.value or 0.0, limits.unit)}, 1 series, {reading.age:.0f} s old"
        return CheckResult(reading.metric, Verdict.PASS, observed)

    def _query(self, name: str, fact: QueryFacts, reading: Reading) -> CheckResult:
        """One of a metric's additional queries."""
        part = name.partition(".")[2]
        if fact.error:
            return CheckResult(name, Verdict.FAIL, fact.error, "a result", f"Check metrics.queries: {name}.")
        if fact.series != 1 and not (part == "buckets" and fact.series):
            expected = "buckets" if part == "buckets" else "1 series"
            return CheckResult(name, Verdict.FAIL, f"{fact.series} series", expected, HINT)
        if part == "buckets":
            return self._buckets(name, fact, reading)
        if part == "timestamp":
            return self._freshness(name, fact, reading)
        return CheckResult(name, Verdict.PASS, f"{fact.value or 0:.4g} in the window, 1 series")

    def _buckets(self, name: str, fact: QueryFacts, reading: Reading) -> CheckResult:
        limits = self._rules.limits[reading.metric]
        if why := cannot_decide(reading.top_bucket, limits):
            return _undecided(name, f"{fact.series} series, {why}", limits)
        top = reading.top_bucket
        until = "without an upper bound" if top == float("inf") else f"up to {latency(top or 0.0)}"
        return CheckResult(
            name,
            Verdict.PASS,
            f"{fact.series} series, boundaries {until} can decide {measured(limits.critical, limits.unit)}",
        )

    def _freshness(self, name: str, fact: QueryFacts, reading: Reading) -> CheckResult:
        """How often a series is sampled: a rate needs two samples in its window, and the window follows the configured interval."""
        every = fact.interval
        observed = "1 series" + (f", {reading.age:.0f} s old" if reading.age is not None else "")
        observed += f", sampled every {every:.3g} s" if every else ", sampling interval unknown"
        verdict = Verdict.PASS
        if every and every > LATE * self._interval:
            verdict = Verdict.FAIL if 2 * every > self._rules.staleness else Verdict.WARN
        hint = f'Set metrics.scrape_interval = "{every:.3g}s".' if every else ""
        return CheckResult(name, verdict, observed, f"a sample every {self._interval:g} s", hint)


def _undecided(name: str, why: str, limits: Limits) -> CheckResult:
    expected = f"a boundary at or above {latency(limits.critical)}"
    hint = 'Give the histogram such a bucket; for native histograms, set metrics.histograms = "native".'
    return CheckResult(name, Verdict.FAIL, why, expected, hint)


def invalid_queries(facts: Mapping[str, QueryFacts], own: Mapping[str, str]) -> list[Problem]:
    """The configured queries (by name) that the source cannot parse, as problems of the configuration. Pure."""
    return [
        Problem(
            ("metrics", "queries", name),
            f"is not a valid query: {facts[name].error}",
            hint="Try it in the source's own UI; `config show` prints it.",
        )
        for name in own
        if name in facts and facts[name].refused
    ]
