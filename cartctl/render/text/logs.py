"""Log lines and their count, as text."""

from cartctl.monitoring.logs import Hit, LogSummary
from cartctl.render.drawing import RenderableType, Text
from cartctl.render.renderers import renderable


@renderable.register
def _hit(hit: Hit) -> RenderableType:
    line = Text(f"{hit.at} {hit.pod} ", "dim")
    return line.append(hit.text, "red" if hit.pattern else "")


@renderable.register
def _summary(summary: LogSummary) -> RenderableType:
    matches = (
        ", ".join(f"{count} {pattern}" for pattern, count in sorted(summary.matches.items())) or "no match"
    )
    line = Text(f"{summary.lines} lines read, {matches}")
    if summary.most:
        style = "bold yellow" if summary.warned else ""
        line.append(
            f"; most in one minute {summary.most} ({summary.worst_minute}), the limit is {summary.limit}",
            style,
        )
    return line
