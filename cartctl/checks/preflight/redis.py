"""Whether the cache can be invalidated."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cartctl.checks.results import not_configured, passed
from cartctl.engine.model import CheckResult


class Invalidates(Protocol):
    """A cache that can say whether cartctl may invalidate it."""

    def ready(self, patterns: Sequence[str]) -> str:
        """A sentence, once PING, SCAN and UNLINK on keys of the patterns are permitted. Raises ConfigError or StepFailed."""


def check_redis(cache: Invalidates | None, patterns: Sequence[str]) -> Iterator[CheckResult]:
    """PING, and SCAN and UNLINK on keys of the patterns permitted; nothing is removed. Read-only."""
    if cache is None:
        yield not_configured("redis", "cache.redis is not configured")
        return
    yield passed("redis", cache.ready(patterns), "PING, SCAN and UNLINK permitted")
