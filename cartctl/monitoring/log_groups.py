"""Groups similar messages: numbers and ids folded, with counts, first and last time and an example. Pure."""

import re
from dataclasses import dataclass

from cartctl.monitoring.log_levels import parse_line

MOST = 1000  # groups that are kept
SHOWN = 20  # groups of a summary
MESSAGE_CHARACTERS = 300  # characters of a folded message and of an example
_ADDRESSED = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|\b(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{12,}\b"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def fold(message: str) -> str:
    """A message with its times, ids and numbers as `<time>`, `<id>` and `<n>`, cut."""
    text = _TIME.sub("<time>", message[: 4 * MESSAGE_CHARACTERS])
    text = _NUMBER.sub("<n>", _ADDRESSED.sub("<id>", text))
    return " ".join(text.split())[:MESSAGE_CHARACTERS]


@dataclass(frozen=True, slots=True)
class LogGroup:
    """Similar matches: the folded message, how many, the first and last time, and one of the lines."""

    message: str
    logger: str
    pattern: str
    count: int
    first: str
    last: str
    example: str


class Groups:
    """Counts matches by folded message."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], LogGroup] = {}
        self.other = 0  # matches beyond the groups that are kept

    def add(self, text: str, pattern: str, at: str) -> None:
        """Count a match by the first line of its event."""
        parsed = parse_line(text)
        key = (fold(parsed.message), parsed.logger, pattern)
        group = self._groups.get(key)
        if group is None and len(self._groups) >= MOST:
            self.other += 1
            return
        first, last = (min(group.first, at), max(group.last, at)) if group else (at, at)
        example = group.example if group else text[:MESSAGE_CHARACTERS]
        self._groups[key] = LogGroup(
            *key[:2], pattern, (group.count if group else 0) + 1, first, last, example
        )

    def largest(self) -> tuple[LogGroup, ...]:
        """The largest groups, by count and then by time."""
        return tuple(sorted(self._groups.values(), key=lambda one: (-one.count, one.first))[:SHOWN])
