"""A monitor's tick as one line of text: time, each metric with its verdict, triggers that are not clear."""

from cartctl.adapters.metrics.source import Metric
from cartctl.measurements import measured
from cartctl.monitoring.thresholds import Judged
from cartctl.monitoring.tick import Measure, Tick
from cartctl.redaction import redact
from cartctl.render.drawing import RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.render.verdict_styles import STYLE

NAMES = {
    Metric.DB_CONNECTIONS: "connections",
    Metric.DB_LATENCY_P95: "db p95",
    Metric.ERROR_RATE: "errors",
    Metric.API_LATENCY_P95: "api p95",
}
DETAIL = 60  # characters of why nothing was seen


@renderable.register
def _tick(tick: Tick) -> RenderableType:
    line = Text(tick.at.strftime("%H:%M:%S"), style="dim")
    for measure in tick.metrics:
        line.append("  ")
        line.append(f"{NAMES[measure.name]} {_value(measure)}", STYLE[measure.verdict])
    for probe in tick.probes:
        if not probe.ok:
            line.append(f"  {probe.name} failed ({probe.observed})", "bold red")
    for trigger in tick.triggers:
        if trigger.state != "clear":
            lasting = f" {trigger.for_seconds:.0f} s" if trigger.for_seconds else ""
            line.append(f"  trigger {trigger.name} {trigger.state}{lasting}", "bold red")
    return line


def _value(measure: Measure) -> str:
    if measure.verdict.blind and measure.detail:
        return f"{measure.verdict} ({redact(measure.detail)[:DETAIL]})"
    if not measure.verdict.decided or measure.value is None:
        return str(measure.verdict)
    shown = measured(measure.value, measure.unit)
    return shown if measure.verdict is Judged.OK else f"{shown} {measure.verdict}"
