"""The recording rules: each metric as the monitor reads and evaluates it.

Of each metric `value`, `age_seconds`, `requests` and `top_bucket_seconds` are what a reading contains; `decided` is the value
where it can be evaluated, and `usable` is 1 unless there is no usable data.
"""

from collections.abc import Iterator
from typing import Any

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.export.promql import ROUNDING, Names, number
from cartctl.monitoring.export.settings import RuleSettings
from cartctl.monitoring.thresholds import Limits

Rule = dict[str, Any]
CRITICAL_PATHS = "critical_paths"


def recording_rules(settings: RuleSettings) -> Iterator[Rule]:
    """In the order of evaluation: a rule reads only those before it."""
    names = Names(settings.env)

    def record(metric: str, part: str, expression: str) -> Rule:
        return {
            "record": names.record(metric, part),
            "expr": expression,
            "labels": {"environment": settings.env},
        }

    for metric, limits in settings.rules.limits.items():
        for part, expression in _reading(settings, metric, limits):
            yield record(metric, part, expression)
        yield record(metric, "decided", _decided(settings, names, metric, limits))
        yield record(metric, "usable", _usable(settings, names, metric, limits))
    error_rate = settings.rules.limits[Metric.ERROR_RATE]
    yield record(Metric.ERROR_RATE, "breach", breach(names, Metric.ERROR_RATE, error_rate, "bool "))
    yield record(CRITICAL_PATHS, "usable", f"(count({settings.probes}) > bool 0) or vector(0)")


def breach(names: Names, metric: Metric, limits: Limits, modifier: str = "") -> str:
    """The evaluated value above its critical threshold."""
    return f"{names.series(metric, 'decided')} > {modifier}{number(limits.critical)} * {ROUNDING}"


def _reading(settings: RuleSettings, metric: Metric, limits: Limits) -> Iterator[tuple[str, str]]:
    queries = settings.queries
    yield "value", queries[metric]
    yield "age_seconds", f"time() - ({queries[f'{metric}.timestamp']})"
    if limits.rate:
        yield "requests", queries[f"{metric}.requests"]
    if settings.has_boundaries(limits):
        # All observations in the last bucket: the quantile is then the highest finite boundary.
        last = 'label_replace(vector(1), "le", "+Inf", "", "")'
        buckets = queries[f"{metric}.buckets"]
        highest = f"histogram_quantile(0.5, {last} or on (le) 0 * ({buckets}))"
        yield "top_bucket_seconds", f"{highest} and on () ({buckets})"


def _decided(settings: RuleSettings, names: Names, metric: Metric, limits: Limits) -> str:
    """One value, finite and not negative, of a fresh sample over enough requests. What is missing decides nothing."""
    conditions = [
        f"sum({names.series(metric, 'value')}) >= 0 < Inf",
        f"count({names.series(metric, 'value')}) == 1",
        _fresh(settings, names, metric),
    ]
    if limits.rate and settings.rules.minimum_requests:
        conditions.append(f"{names.series(metric, 'requests')} >= {settings.rules.minimum_requests}")
    if settings.has_boundaries(limits):
        conditions.append(f"{names.series(metric, 'top_bucket_seconds')} >= {number(limits.critical)}")
    return "\nand on () ".join(conditions)


def _usable(settings: RuleSettings, names: Names, metric: Metric, limits: Limits) -> str:
    """Too few requests over fresh counters are not blindness."""
    alternatives = [f"0 * {names.series(metric, 'decided')} + 1"]
    if limits.rate and (minimum := settings.rules.minimum_requests):
        few = f"{names.series(metric, 'requests')} < {minimum} and on () {_fresh(settings, names, metric)}"
        alternatives.append(f"0 * ({few}) + 1")
    return "\nor on () ".join([*alternatives, "vector(0)"])


def _fresh(settings: RuleSettings, names: Names, metric: Metric) -> str:
    return f"{names.series(metric, 'age_seconds')} <= {number(settings.rules.staleness)}"
