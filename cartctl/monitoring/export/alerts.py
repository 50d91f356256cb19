"""The alerting rules: both rollback triggers, each metric's thresholds, stale data and no data.

None uses `for`: a restart, or one evaluation without a result, would reset it. A duration is a range over recorded samples, with
their number, so that missing samples count neither as bad nor as good.
"""

import math
from collections.abc import Iterator

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.export.promql import (
    ROUNDING,
    Names,
    alert_name,
    duration,
    literal,
    number,
    over_range,
)
from cartctl.monitoring.export.records import CRITICAL_PATHS, Rule, breach
from cartctl.monitoring.export.settings import RuleSettings
from cartctl.monitoring.thresholds import Limits

ERROR_RATE_TRIGGER, CRITICAL_PATHS_TRIGGER = "CartRollbackErrorRate", "CartRollbackCriticalPaths"
PATHS_NO_DATA = "CartCriticalPathsNoData"
HUMAN = {"share": "{{ $value | humanizePercentage }}", "s": "{{ $value | humanizeDuration }}"}
FAILING_PATH = "{{ with $labels.path }}{{ . }}{{ else }}{{ $labels.instance }}{{ end }}"
FINER = 3  # steps per evaluation when looking for gaps


def alerting_rules(settings: RuleSettings) -> Iterator[Rule]:
    """Triggers first. Labels: environment, severity (page, critical, warning), and trigger or metric."""
    names = Names(settings.env)
    yield _error_rate_trigger(settings, names)
    yield _critical_paths_trigger(settings)
    for metric, limits in settings.rules.limits.items():
        yield from _thresholds(settings, names, metric, limits)
        yield _stale(settings, names, metric)
        yield _no_data(settings, names, alert_name(metric, "NoData"), metric)
    yield _no_data(settings, names, PATHS_NO_DATA, CRITICAL_PATHS)


def _error_rate_trigger(settings: RuleSettings, names: Names) -> Rule:
    """More than `rollback_after`: a breach that is older, no good sample since, no gap longer than `max_gap`, a breach now."""
    limit = duration(settings.rollback_after, milliseconds=1)  # strictly more
    gap = duration(settings.max_gap)
    samples = f"sum(count_over_time({names.series(Metric.ERROR_RATE, 'breach', gap)})) or vector(0)"
    expression = "\nand on () ".join(
        [
            f"({breach(names, Metric.ERROR_RATE, settings.rules.limits[Metric.ERROR_RATE])})",
            f"min_over_time({names.series(Metric.ERROR_RATE, 'breach', limit)}) == 1",
            f"last_over_time({names.series(Metric.ERROR_RATE, 'breach', gap)} offset {limit}) == 1",
            f"min_over_time(({samples})[{limit}:{duration(settings.every / FINER)}]) > 0",
        ]
    )
    critical = f"{settings.rules.limits[Metric.ERROR_RATE].critical:.4g}"
    return _alert(
        settings,
        ERROR_RATE_TRIGGER,
        expression,
        severity="page",
        scope={"trigger": "error_rate"},
        summary=f"The error rate has been above {critical} for more than {duration(settings.rollback_after)}.",
        description=f"It is {HUMAN['share']} now. Roll back the deployment, or abort the rollout.",
    )


def _critical_paths_trigger(settings: RuleSettings) -> Rule:
    """As many probes in a row as `critical_failures`; a range of so many intervals contains exactly that number."""
    failures = settings.critical_failures
    within = duration(failures * settings.every, milliseconds=-1)
    probes = over_range(settings.probes, within, duration(settings.every))
    return _alert(
        settings,
        CRITICAL_PATHS_TRIGGER,
        f"max_over_time({probes}) == 0\nand count_over_time({probes}) >= {failures}",
        severity="page",
        scope={"trigger": "critical_paths"},
        summary=f"A critical endpoint failed {failures} times in a row.",
        description=f"{FAILING_PATH} fails. Roll back the deployment, or abort the rollout.",
    )


def _thresholds(settings: RuleSettings, names: Names, metric: Metric, limits: Limits) -> Iterator[Rule]:
    decided = names.series(metric, "decided")
    for severity, bound in (("warning", limits.warning), ("critical", limits.critical)):
        expression = f"{decided} > {number(bound)} * {ROUNDING}"
        if severity == "critical" and settings.has_boundaries(limits):
            # A quantile beyond the last boundary reads as that boundary.
            top = f"{names.series(metric, 'top_bucket_seconds')} == {number(bound)}"
            expression += f"\nor ({decided} >= {number(bound)} and on () {top})"
        yield _alert(
            settings,
            alert_name(metric, severity.capitalize()),
            expression,
            severity=severity,
            scope={"metric": metric},
            summary=f"{metric} is above its {severity} threshold of {bound:g}{_unit(limits)}.",
            description=f"It is {HUMAN[limits.unit]}.",
        )


def _stale(settings: RuleSettings, names: Names, metric: Metric) -> Rule:
    allowed = settings.rules.staleness
    return _alert(
        settings,
        alert_name(metric, "Stale"),
        f"{names.series(metric, 'age_seconds')} > {number(allowed)}",
        severity="warning",
        scope={"metric": metric},
        summary=f"The newest sample of {metric} is older than {duration(allowed)}.",
        description=f"It is {HUMAN['s']} old: {metric} is not evaluated.",
    )


def _no_data(settings: RuleSettings, names: Names, name: str, subject: str) -> Rule:
    """Longer than `blind_limit` without one usable sample; three quarters of the evaluations must have taken place."""
    limit = duration(settings.blind_limit, milliseconds=1)
    usable = names.series(subject, "usable", limit)
    samples = max(1, math.floor(0.75 * settings.blind_limit / settings.every))
    return _alert(
        settings,
        name,
        f"max_over_time({usable}) == 0\nand count_over_time({usable}) >= {samples}",
        severity="page",
        scope={"metric": subject},
        summary=f"There has been no usable data of {subject} for more than {duration(settings.blind_limit)}.",
        description="No trigger can fire. See: cartctl monitor --check-queries",
    )


def _alert(
    settings: RuleSettings,
    name: str,
    expression: str,
    *,
    severity: str,
    scope: dict[str, str],
    summary: str,
    description: str,
) -> Rule:
    scope = {key: str(value) for key, value in scope.items()}
    labels = {"environment": literal(settings.env), "severity": severity, **scope}
    annotations = {"summary": summary, "description": description}
    if "trigger" in scope:
        annotations["command"] = literal(f"cartctl rollback --env {settings.env} --plan")
    return {"alert": name, "expr": expression, "labels": labels, "annotations": annotations}


def _unit(limits: Limits) -> str:
    return " s" if limits.unit == "s" else ""
