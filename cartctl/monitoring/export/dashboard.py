"""A Grafana dashboard of one environment: metrics with their thresholds, triggers, and the state of the data.

In the classic JSON model (schemaVersion 39), which Grafana 10 and later import. It reads the recorded series only.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.export.alerts import CRITICAL_PATHS_TRIGGER, ERROR_RATE_TRIGGER
from cartctl.monitoring.export.promql import Names, duration, over_range, string
from cartctl.monitoring.export.records import CRITICAL_PATHS
from cartctl.monitoring.export.settings import RuleSettings
from cartctl.monitoring.thresholds import Limits

SCHEMA = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HALF, TALL = 12, 8  # units of the grid, which has 24 columns
TITLES = {
    Metric.DB_CONNECTIONS: "Database connections, share of the pool",
    Metric.DB_LATENCY_P95: "Database latency, 95th percentile",
    Metric.ERROR_RATE: "API error rate",
    Metric.API_LATENCY_P95: "API latency, 95th percentile",
}
UNITS = {"share": "percentunit", "s": "s"}
FIRING: list["Step"] = [{"color": "green", "value": None}, {"color": "red", "value": 1}]

Panel = dict[str, Any]
Step = dict[str, Any]  # a colour for values from a limit on


def dashboard(settings: RuleSettings) -> dict[str, Any]:
    """The dashboard as the JSON object that Grafana imports; its uid depends on the environment's name alone."""
    uid = hashlib.sha256(settings.env.encode()).hexdigest()[:12]
    panels = [
        {"id": number, **panel} for number, panel in enumerate(_placed(list(_panels(settings))), start=1)
    ]
    return {
        "uid": f"cartctl-{uid}",
        "title": f"Cart, {settings.env}",
        "description": "Written by `cartctl monitor export`; reads the series that the exported rules record.",
        "tags": ["cartctl"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "30s" if settings.every > 5 else "5s",  # noqa: PLR2004 - what Grafana offers
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
            ]
        },
        "annotations": {"list": [_firing_annotation(settings)]},
        "panels": panels,
    }


def _panels(settings: RuleSettings) -> Iterator[Panel]:
    names = Names(settings.env)
    yield _state("Trigger: error rate", _alerts(ERROR_RATE_TRIGGER, settings.env))
    yield _state("Trigger: critical endpoints", _alerts(CRITICAL_PATHS_TRIGGER, settings.env))
    for metric, limits in settings.rules.limits.items():
        yield _metric(TITLES[metric], names.series(metric, "value"), limits)
    rates = [metric for metric, limits in settings.rules.limits.items() if limits.rate]
    enough = settings.rules.minimum_requests
    fresh = settings.rules.staleness
    yield _series(
        "Requests in the window; below the line, nothing is evaluated",
        [(names.series(metric, "requests"), metric) for metric in rates],
        unit="short",
        steps=[
            {"color": "orange", "value": None},
            {"color": "green", "value": enough},
        ],
    )
    yield _series(
        f"Age of the newest sample; stale above {duration(fresh)}",
        [(names.series(metric, "age_seconds"), metric) for metric in settings.rules.limits],
        unit="s",
        steps=[{"color": "green", "value": None}, {"color": "red", "value": fresh}],
    )
    subjects = [*settings.rules.limits, CRITICAL_PATHS]
    yield _timeline(
        "Usable data", [(names.series(subject, "usable"), subject) for subject in subjects], "no", "yes"
    )
    within = over_range(settings.probes, duration(2 * settings.every), duration(settings.every))
    yield _timeline("Critical endpoints", [(f"last_over_time({within})", "{{path}}")], "fails", "works")


def _alerts(name: str, env: str) -> str:
    selector = f'ALERTS{{alertname="{name}", alertstate="firing", environment={string(env)}}}'
    return f"count({selector}) or vector(0)"


def _firing_annotation(settings: RuleSettings) -> dict[str, Any]:
    names = f"{ERROR_RATE_TRIGGER}|{CRITICAL_PATHS_TRIGGER}"
    return {
        "name": "Triggers",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "target": {
            "refId": "Triggers",
            "expr": f'ALERTS{{alertname=~"{names}", alertstate="firing", environment={string(settings.env)}}}',
        },
    }


def _metric(title: str, expression: str, limits: Limits) -> Panel:
    steps: list[Step] = [
        {"color": "green", "value": None},
        {"color": "orange", "value": limits.warning},
        {"color": "red", "value": limits.critical},
    ]
    return _series(title, [(expression, "value")], unit=UNITS[limits.unit], steps=steps)


def _series(title: str, queries: list[tuple[str, str]], *, unit: str, steps: list[Step]) -> Panel:
    """Lines over time, with a dashed line at each threshold."""
    custom = {"lineWidth": 1, "fillOpacity": 10, "spanNulls": False, "thresholdsStyle": {"mode": "dashed"}}
    return {
        **_panel(title, "timeseries", queries),
        "fieldConfig": _fields(steps, unit=unit, min=0, custom=custom),
        "options": {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": len(queries) > 1,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _state(title: str, expression: str) -> Panel:
    """Clear or fired, in colour."""
    texts = {"0": {"text": "clear", "index": 0}, "1": {"text": "fired", "index": 1}}
    return {
        **_panel(title, "stat", [(expression, title)]),
        "fieldConfig": _fields(FIRING, mappings=[{"type": "value", "options": texts}]),
        "options": {
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": "auto",
            "textMode": "value",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }


def _timeline(title: str, queries: list[tuple[str, str]], no: str, yes: str) -> Panel:
    """A bar per series, in one of two colours."""
    texts = {"0": {"text": no, "color": "red", "index": 0}, "1": {"text": yes, "color": "green", "index": 1}}
    return {
        **_panel(title, "state-timeline", queries),
        "fieldConfig": _fields(FIRING, mappings=[{"type": "value", "options": texts}]),
        "options": {
            "mergeValues": True,
            "showValue": "never",
            "alignValue": "left",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }


def _panel(title: str, kind: str, queries: list[tuple[str, str]]) -> Panel:
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": DATASOURCE,
            "expr": expression,
            "legendFormat": legend,
        }
        for number, (expression, legend) in enumerate(queries)
    ]
    return {"title": title, "type": kind, "datasource": DATASOURCE, "targets": targets}


def _fields(steps: list[Step], **defaults: Any) -> dict[str, Any]:
    thresholds = {"mode": "absolute", "steps": steps}
    return {"defaults": {"thresholds": thresholds, **defaults}, "overrides": []}


def _placed(panels: list[Panel]) -> Iterator[Panel]:
    """Two panels side by side; those that show one state are half as high."""
    top = 0
    for number, panel in enumerate(panels):
        height = TALL // 2 if panel["type"] == "stat" else TALL
        yield {**panel, "gridPos": {"x": HALF * (number % 2), "y": top, "w": HALF, "h": height}}
        top += height * (number % 2)
