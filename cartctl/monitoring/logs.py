"""Patterns in an application's log, and matches per minute. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from cartctl.adapters.log_lines import LogLine

_CART = re.compile(r"cart|ecommerce", re.IGNORECASE)
_ERROR = re.compile(r"\b(?:error|fatal|critical|panic)\b|\"level\"\s*:\s*[56]0\b", re.IGNORECASE)
_PRISMA = re.compile(r"PrismaClient|P2002|P2003")
MINUTE = 16  # characters of an ISO time


class Pattern(StrEnum):
    """The deployment plan's two patterns."""

    CART = "cart"
    PRISMA = "prisma"


@dataclass(frozen=True, slots=True)
class Hit:
    """A log line; `pattern` is null for a line that did not match."""

    kind: ClassVar[str] = "log"

    at: str
    pod: str
    container: str
    pattern: Pattern | None
    text: str


@dataclass(frozen=True, slots=True)
class LogSummary:
    """A summary of the logs: lines, matches by pattern, the worst minute with its matches, and the limit above which it warns."""

    kind: ClassVar[str] = "logs"

    lines: int
    matches: dict[str, int]
    worst_minute: str
    most: int
    limit: int

    @property
    def warned(self) -> bool:
        """Whether a minute had more than the limit."""
        return self.most > self.limit


def find(text: str) -> Pattern | None:
    """The pattern that a line matches: the cart with an error level, or the database client alone."""
    if _PRISMA.search(text):
        return Pattern.PRISMA
    return Pattern.CART if _CART.search(text) and _ERROR.search(text) else None


class Tally:
    """Counts matches per minute. `limit` is errors per minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines = 0
        self._patterns: Counter[str] = Counter()
        self._minutes: Counter[str] = Counter()

    def take(self, lines: Iterable[LogLine]) -> list[Hit]:
        """Count the lines; return each with its pattern."""
        hits = [Hit(line.at, line.pod, line.container, find(line.text), line.text) for line in lines]
        self._lines += len(hits)
        for hit in hits:
            if hit.pattern:
                self._patterns[hit.pattern.value] += 1
                self._minutes[hit.at[:MINUTE]] += 1
        return hits

    def summary(self) -> LogSummary:
        """The summary of the lines so far."""
        minute, most = max(self._minutes.items(), key=lambda one: one[1], default=("", 0))
        return LogSummary(self._lines, dict(self._patterns), minute, most, self._limit)
