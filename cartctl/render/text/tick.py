"""A monitor's sample as one line of text (time, metrics with verdicts, triggers that are not clear), and a replay."""

from cartctl.adapters.metrics.source import Metric
from cartctl.measurements import measured
from cartctl.monitoring.replay import Firing, Replay
from cartctl.monitoring.thresholds import MetricVerdict
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
DETAIL = 60  # characters of the reason for missing data


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


@renderable.register
def _replay(result: Replay) -> RenderableType:
    span = (
        f"{result.since:%Y-%m-%d %H:%M:%S} to {result.until:%Y-%m-%d %H:%M:%S}" if result.since else "no time"
    )
    lines = [f"{result.samples} samples from {span} UTC", ""]
    for one in result.metrics:
        counts = ", ".join(
            f"{one.verdicts[verdict]} {verdict}" for verdict in MetricVerdict if one.verdicts.get(verdict)
        )
        at = f" at {one.peak_at:%H:%M:%S}" if one.peak_at else ""
        peak = "" if one.peak is None else f"; peak {measured(one.peak, one.unit)}{at}"
        lines.append(f"{NAMES[one.name]} (critical above {measured(one.critical, one.unit)}): {counts}{peak}")
    lines += ["", *(_fired(each) for each in result.fired)]
    if not result.fired:
        lines.append("No trigger would have fired.")
    if result.longest_blind_seconds > result.blind_limit_seconds:
        lines.append(
            f"A monitor would have stopped: no data for {result.longest_blind_seconds:.0f} s,"
            f" {result.blind_limit_seconds:.0f} s are allowed."
        )
    return Text("\n".join(lines))


def _fired(each: Firing) -> str:
    lasted = f" after {each.for_seconds:.0f} s" if each.for_seconds else ""
    detail = f": {redact(each.detail)}" if each.detail else ""
    return f"Trigger {each.name} would have fired at {each.at:%Y-%m-%d %H:%M:%S} UTC{lasted}{detail}."


def _value(measure: Measure) -> str:
    if measure.verdict.blind and measure.detail:
        return f"{measure.verdict} ({redact(measure.detail)[:DETAIL]})"
    if not measure.verdict.decided or measure.value is None:
        return str(measure.verdict)
    shown = measured(measure.value, measure.unit)
    return shown if measure.verdict is MetricVerdict.OK else f"{shown} {measure.verdict}"
