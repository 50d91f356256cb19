"""The one mapping from a metric's verdict to a check's (safety.md, section 7)."""

from collections.abc import Mapping

from cartctl.engine.model import Verdict
from cartctl.monitoring.thresholds import Judged

VERDICTS: Mapping[Judged, Verdict] = {
    Judged.OK: Verdict.PASS,
    Judged.WARNING: Verdict.WARN,
    Judged.CRITICAL: Verdict.FAIL,
    Judged.LOW_TRAFFIC: Verdict.WARN,  # the counters are fresh: neither good nor blind
    Judged.NO_DATA: Verdict.UNKNOWN,
    Judged.ERROR: Verdict.UNKNOWN,
}
