"""Log lines and their count, as text."""

from cartctl.monitoring.log_groups import LogGroup
from cartctl.monitoring.logs import Hit, LogSummary
from cartctl.render.drawing import Group, RenderableType, Text
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
    return Group(line, *map(_group, summary.groups)) if summary.groups else line


def _group(group: LogGroup) -> Text:
    """Count, first and last time of day, and the folded message."""
    times = group.first[11:19] if group.count == 1 else f"{group.first[11:19]} to {group.last[11:19]}"
    logger = f"{group.logger}: " if group.logger else ""
    return Text(f"{group.count:>6}  ").append(f"{times} ", "dim").append(f"{logger}{group.message}")
