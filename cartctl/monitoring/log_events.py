"""Lines that belong to one event: a stack trace belongs to its first line. Pure."""

import re
from dataclasses import dataclass, field

from cartctl.adapters.log_lines import LogLine
from cartctl.monitoring.log_levels import parse_line, without_colour

MAX_LINES = 200  # lines of one event; more begin a new one
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):")
_CONTINUATION = re.compile(r"\s+\S|Caused by: |\.\.\. \d+ more|[}\])]+[,;]?$")
_OWN_TIME_OR_LEVEL = re.compile(
    r"\s*\[?(?:\d{4}-\d\d-\d\d|(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\b)"
)
_CHAINED = re.compile(r"During handling of the above exception|The above exception was the direct cause")


@dataclass(slots=True)
class LogEvent:
    """A first line, without colour, and the lines that continue it; `counted` once it has matched a pattern."""

    first: LogLine
    lines: list[str] = field(default_factory=list)
    in_traceback: bool = False
    counted: bool = False

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)


class Joiner:
    """Gives each line its event; each container's lines are apart."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], LogEvent] = {}

    def event_of(self, line: LogLine) -> LogEvent:
        """The event that a line continues, or a new one."""
        stream = (line.pod, line.container)
        text = without_colour(line.text).rstrip()
        event = self._open.get(stream)
        if event is None or len(event.lines) >= MAX_LINES or not _continues(event, text):
            event = self._open[stream] = LogEvent(line, in_traceback=bool(_TRACEBACK.match(text)))
        event.lines.append(text)
        return event


def _continues(event: LogEvent, text: str) -> bool:
    if event.in_traceback:
        if text and not text[0].isspace() and not _TRACEBACK.match(text):
            event.in_traceback = bool(
                _CHAINED.match(text)
            )  # the exception itself is the last line of a traceback
        return True
    if _TRACEBACK.match(text) or _CHAINED.match(text):
        level = parse_line(event.lines[0]).level
        chained = len(event.lines) > 1 and bool(_TRACEBACK.search(event.text))
        event.in_traceback = chained or level is not None
        return event.in_traceback
    return not text or (bool(_CONTINUATION.match(text)) and not _OWN_TIME_OR_LEVEL.match(text))
