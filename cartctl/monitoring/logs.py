"""Which lines of an application's log count as errors, and how many a minute. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.log_lines import LogLine
from cartctl.config.model.monitoring import Logs
from cartctl.monitoring.log_events import Joiner, LogEvent
from cartctl.monitoring.log_groups import Groups, LogGroup
from cartctl.monitoring.log_levels import LEVELS, Level, parse_line, without_colour

MINUTE = 16  # characters of an ISO time


@dataclass(frozen=True, slots=True)
class Hit:
    """A log line; `pattern` is the name of the pattern that it matched, null for a line that does not count."""

    kind: ClassVar[str] = "log"

    at: str
    pod: str
    container: str
    pattern: str | None
    text: str


@dataclass(frozen=True, slots=True)
class LogSummary:
    """A summary of the logs: lines, matches by pattern, the worst minute with its matches, and the limit above which it warns.

    `groups` are the most frequent similar messages; `other` counts matches that belong to none of the groups kept.
    """

    kind: ClassVar[str] = "logs"

    lines: int
    matches: dict[str, int]
    worst_minute: str
    most: int
    limit: int
    groups: tuple[LogGroup, ...] = ()
    other: int = 0

    @property
    def warned(self) -> bool:
        """Whether a minute had more than the limit."""
        return self.most > self.limit


@dataclass(frozen=True, slots=True)
class LogRules:
    """Which lines count: those of a level that match one of `patterns`, and those that match one of `always`."""

    patterns: Mapping[str, re.Pattern[str]]
    always: Mapping[str, re.Pattern[str]]
    level: Level = Level.ERROR
    limit: int = 10  # matches per minute above which it warns

    @classmethod
    def of(cls, settings: Logs) -> "LogRules":
        """The rules of a configuration."""
        return cls(
            _compiled(settings.patterns),
            _compiled(settings.always),
            LEVELS[settings.level],
            settings.errors_per_minute,
        )

    def match(self, text: str) -> str | None:
        """The name of the pattern that an event matches; its level is that of its first line."""
        for name, pattern in self.always.items():
            if pattern.search(text):
                return name
        match = next((name for name, pattern in self.patterns.items() if pattern.search(text)), None)
        if match is None:
            return None
        level = parse_line(text.partition("\n")[0]).level
        return match if level is not None and level >= self.level else None


def _compiled(patterns: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in patterns.items()}


class Tally:
    """Counts matching events per minute."""

    def __init__(self, rules: LogRules) -> None:
        self._rules = rules
        self._joiner = Joiner()
        self._groups = Groups()
        self._lines = 0
        self._patterns: Counter[str] = Counter()
        self._minutes: Counter[str] = Counter()

    def take(self, lines: Iterable[LogLine]) -> list[Hit]:
        """Count the events of the lines; return each line with its pattern.

        An event has its pattern on its first line, also if only its stack trace matches; on the matching line if the first one
        was in an earlier call.
        """
        events: list[tuple[LogLine, LogEvent]] = [(line, self._joiner.event_of(line)) for line in lines]
        self._lines += len(events)
        matches: dict[int, str] = {}
        last = {id(event): number for number, (_, event) in enumerate(events)}
        for number, (line, event) in enumerate(events):
            begins = line is event.first
            if not event.counted and (begins or last[id(event)] == number):
                pattern = self._rules.match(event.text)
                if pattern:
                    matches[number] = pattern
                    self._count(event, pattern)
        return [
            Hit(line.at, line.pod, line.container, matches.get(number), without_colour(line.text))
            for number, (line, _) in enumerate(events)
        ]

    def _count(self, event: LogEvent, pattern: str) -> None:
        event.counted = True
        self._patterns[pattern] += 1
        self._minutes[event.first.at[:MINUTE]] += 1
        self._groups.add(event.lines[0], pattern, event.first.at)

    def summary(self) -> LogSummary:
        """The summary of the lines so far."""
        minute, most = max(self._minutes.items(), key=lambda one: one[1], default=("", 0))
        groups, other = self._groups.largest(), self._groups.other
        return LogSummary(self._lines, dict(self._patterns), minute, most, self._rules.limit, groups, other)
