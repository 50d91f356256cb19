"""The one mapping from a metric's verdict to a check's (safety.md, section 7)."""

from collections.abc import Mapping

from cartctl.engine.model import Verdict
from cartctl.monitoring.thresholds import MetricVerdict

VERDICTS: Mapping[MetricVerdict, Verdict] = {
    MetricVerdict.OK: Verdict.PASS,
    MetricVerdict.WARNING: Verdict.WARN,
    MetricVerdict.CRITICAL: Verdict.FAIL,
    MetricVerdict.LOW_TRAFFIC: Verdict.WARN,  # the counters are fresh: neither good nor blind
    MetricVerdict.NO_DATA: Verdict.UNKNOWN,
    MetricVerdict.ERROR: Verdict.UNKNOWN,
}
