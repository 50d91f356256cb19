"""Whether the metrics source can answer what the monitor will ask: data, freshness, and histograms that can decide."""

from cartctl.adapters.metrics.source import MetricsSource, Reading
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.probes import Probes
from cartctl.monitoring.thresholds import Judged, Rules, cannot_decide, judge

HINT = "Check metrics.kind, metrics.url and metrics.queries."


class Queries(Check):
    """Reads `source` twice, `settle` seconds apart, with a little traffic between: a rate needs two scrapes."""

    def __init__(
        self, key: str, source: MetricsSource, probes: Probes | None, rules: Rules, *, settle: float
    ) -> None:
        self.key = key
        self._source = source
        self._probes = probes
        self._rules = rules
        self._settle = settle

    def judge(self, pulse: Pulse) -> Checks:
        """One result per metric. Read-only but for the requests it sends."""
        self._source.read()
        if self._probes:
            self._probes.traffic(self._rules.minimum_requests)
        pulse.pause(self._settle)
        return Checks.of(self._result(reading) for reading in self._source.read().values())

    def _result(self, reading: Reading) -> CheckResult:
        limits = self._rules.limits[reading.metric]
        if limits.histogram and not reading.error and (why := cannot_decide(reading.top_bucket, limits)):
            expected = f"a boundary at or above {limits.critical:g} s"
            return CheckResult(
                reading.metric, Verdict.FAIL, why, expected, "Give the histogram such a bucket."
            )
        verdict, why = judge(reading, self._rules)
        if verdict is Judged.LOW_TRAFFIC:
            return CheckResult(reading.metric, Verdict.WARN, why, "enough requests to judge")
        if not verdict.decided:
            return CheckResult(reading.metric, Verdict.FAIL, why, "fresh data", HINT)
        return CheckResult(reading.metric, Verdict.PASS, f"{reading.value:.4g} {limits.unit}")
