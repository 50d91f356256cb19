"""A tick for people and for programs."""

import io
import json
from datetime import UTC, datetime

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import TriggerState
from cartctl.render.json import write_line
from cartctl.render.renderers import write

TICK = Tick(
    datetime(2026, 1, 6, 2, 3, 4, tzinfo=UTC),
    (
        Measure(Metric.DB_CONNECTIONS, 0.5, "share", MetricVerdict.OK),
        Measure(Metric.ERROR_RATE, 0.083, "share", MetricVerdict.CRITICAL, "above 0.05 share"),
        Measure(Metric.API_LATENCY_P95, None, "s", MetricVerdict.NO_DATA, "no series"),
    ),
    (TriggerState("error_rate", "pending", 61.0), TriggerState("critical_paths", "clear")),
    (Probe("auth", ok=True, observed="a session"), Probe("payments", ok=False, observed="HTTP 503")),
)


def test_a_tick_as_text_is_a_line_of_what_matters() -> None:
    """Time, values, what is not ok, what failed, what is pending; nothing of what is clear."""
    stream = io.StringIO()
    write(TICK, stream)
    output = " ".join(stream.getvalue().split())
    assert output == (
        "02:03:04 connections 50.0% errors 8.3% critical api p95 no-data (no series) "
        "payments failed (HTTP 503) trigger error_rate pending 61 s"
    )


def test_a_tick_as_json_is_one_documented_object() -> None:
    """Kind, time, metrics and triggers under their names; no number is null."""
    stream = io.StringIO()
    write_line(TICK, stream)
    document = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (document["kind"], document["version"], document["at"]) == ("tick", 1, "2026-01-06T02:03:04Z")
    assert document["metrics"][1] == {
        "name": "error_rate",
        "value": 0.083,
        "unit": "share",
        "verdict": "critical",
        "detail": "above 0.05 share",
        "sampled_at": None,
        "age_seconds": None,
        "requests": None,
        "highest_boundary": None,
    }
    assert document["metrics"][2]["value"] is None
    assert document["triggers"][0] == {
        "name": "error_rate",
        "state": "pending",
        "for_seconds": 61.0,
        "detail": "",
    }
