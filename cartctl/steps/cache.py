"""Cache invalidation, so that the new version serves no entries of the old one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, StepFailed

if TYPE_CHECKING:
    from cartctl.adapters.redis import RedisCache  # an optional dependency


class InvalidateCache(Action[dict[str, Any]]):
    """Removes the keys of `patterns` from `cache`."""

    key = "cache"

    def __init__(self, cache: "RedisCache", patterns: Sequence[str]) -> None:
        self._cache = cache
        self._patterns = tuple(patterns)
        for pattern in self._patterns:
            if not pattern.strip("*?"):
                raise ConfigError(
                    f"The pattern {pattern!r} in cache.keys would delete every key in Redis.",
                    hint='Start it with the prefix of the keys, for example "cart:*".',
                )

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - keys reappear by themselves
        """None: invalidating again is harmless."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """Delete every matching key, then count again. Raises StepFailed if no key was deleted.

        Keys in the second count were written since by the running application: they are `rewritten`, and correct.
        """
        matched = removed = 0
        for pattern in self._patterns:
            for matches, deleted in self._cache.unlink(pattern):
                matched, removed = matched + matches, removed + deleted
                pulse.progress(matched, matched, "keys")
                pulse.check()
        left = sum(self._cache.count(pattern) for pattern in self._patterns)
        self._cache.close()
        if matched and not removed and left >= matched:
            raise StepFailed(f"Redis deleted none of {left} cached keys.")
        return {"keys": removed, "rewritten": left}
