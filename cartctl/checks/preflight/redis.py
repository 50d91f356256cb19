"""Whether the cache can be invalidated."""

from collections.abc import Iterator
from typing import Protocol

from cartctl.checks.preflight.look import passed
from cartctl.engine.model import CheckResult


class Invalidates(Protocol):
    """A cache that can say whether cartctl may invalidate it."""

    def ready(self) -> str:
        """What answered, once PING, SCAN and UNLINK are known to be permitted. Raises ConfigError or StepFailed."""


def look_at_redis(cache: Invalidates | None) -> Iterator[CheckResult]:
    """PING, and SCAN and UNLINK permitted; nothing is removed. Read-only."""
    if cache is None:
        yield passed("redis", "not configured")
        return
    yield passed("redis", cache.ready(), "PING, SCAN and UNLINK permitted")
