"""Invalidates the cached keys, so that no old version's entry is served by the new one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, StepFailed

if TYPE_CHECKING:
    from cartctl.adapters.redis import RedisCache  # whose library most deployments do without


class InvalidateCache(Action[dict[str, Any]]):
    """Removes the keys of `patterns` from `cache`."""

    key = "cache"

    def __init__(self, cache: "RedisCache", patterns: Sequence[str]) -> None:
        self._cache = cache
        self._patterns = tuple(patterns)
        for pattern in self._patterns:
            if not pattern.strip("*?"):
                raise ConfigError(
                    f"The pattern {pattern!r} in cache.keys would empty the whole Redis.",
                    hint='Begin it with the prefix of the keys that are meant, for example "cart:*".',
                )

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - keys come back by themselves
        """Nothing: invalidating again is harmless."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """Remove every key there is, then look again. Raises StepFailed when found keys stay.

        Keys of the second look were written since by the application that runs: they are `rewritten`, and correct.
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
            raise StepFailed(f"{left} cached keys stay although Redis was asked to remove them.")
        return {"keys": removed, "rewritten": left}
