"""The application's cache in Redis: keys by pattern, found with SCAN and removed with UNLINK; never KEYS, never FLUSH."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import redis
from redis.exceptions import NoPermissionError

from cartctl.adapters.effects import effect
from cartctl.deadline import DeadlineExceeded, within
from cartctl.errors import ConfigError, StepFailed
from cartctl.inputs import MALFORMED
from cartctl.redaction import mask, register

T = TypeVar("T")

BATCH = 500  # keys of one UNLINK: milliseconds for the server
SCANNED = 1000  # keys the server looks at per SCAN


class CacheFailed(StepFailed):
    """Redis does not answer, or refuses a command."""

    code = "cache_failed"


class RedisCache:
    """A Redis by its URL. Opens a connection when first asked; `close` ends it.

    `timeout` is the seconds of one command, connecting and retries included.
    """

    def __init__(self, url: str, *, timeout: float = 10) -> None:
        register(url)
        self._where = mask(url)
        self._timeout = timeout
        try:
            self._client = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        except MALFORMED as error:
            raise ConfigError(
                f"invalid Redis address {self._where!r}.",
                hint="It begins with redis://, rediss:// or unix://.",
            ) from error

    def ready(self) -> str:
        """PING, and that SCAN and UNLINK are permitted; what was found, for people. Raises CacheFailed. Read-only."""
        self._do(self._client.ping)
        self._refuse_cluster()
        self._do(lambda: self._client.scan(0, match="cartctl:*", count=1))
        self._do(lambda: self._client.unlink("cartctl:preflight"))  # never written by anybody
        return "PING answered, SCAN and UNLINK permitted"

    def unlink(self, pattern: str) -> Iterator[tuple[int, int]]:
        """Remove what matches, batch by batch: how many keys were found and how many of them removed in each.

        Every key that exists from beginning to end is found (SCAN's promise). Raises CacheFailed.
        """
        self._refuse_cluster()
        for batch in self._batches(pattern):
            with effect("redis.unlink"):
                removed = self._do(lambda batch=batch: int(str(self._client.unlink(*batch))))  # type: ignore[misc]
            yield len(batch), removed

    def count(self, pattern: str) -> int:
        """How many keys match now. Raises CacheFailed. Read-only."""
        return len(set(self._keys(pattern)))

    def close(self) -> None:
        """End the connection."""
        with suppress(redis.RedisError):
            self._client.close()

    def _batches(self, pattern: str) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        for key in self._keys(pattern):
            batch.append(key)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _keys(self, pattern: str) -> Iterator[bytes]:
        cursor: Any = 0
        while True:
            cursor, keys = self._do(partial(self._scan, cursor, pattern))
            yield from keys
            if not cursor:
                return

    def _scan(self, cursor: Any, pattern: str) -> tuple[Any, list[bytes]]:
        reply: Any = self._client.scan(cursor, match=pattern, count=SCANNED)
        following, keys = reply
        return following, list(keys)

    def _refuse_cluster(self) -> None:
        """A cluster's SCAN sees one node alone: it would leave the other nodes' keys in silence."""
        if self._do(self._is_clustered):
            raise CacheFailed(
                f"{self._where} is a node of a Redis Cluster, whose other nodes it does not show.",
                hint="Name a Redis of its own, or leave cache.redis out and invalidate by a hook.",
            )

    def _is_clustered(self) -> bool:
        """False, too, where the user may not ask."""
        with suppress(NoPermissionError):
            info: Any = self._client.info("cluster")
            return bool(info.get("cluster_enabled"))
        return False

    def _do(self, command: Callable[[], T]) -> T:
        """What a command gives within its time. Raises CacheFailed."""
        try:
            return within(self._timeout, lambda _: command())
        except DeadlineExceeded as error:
            raise self._failure(f"it took longer than {self._timeout:g} s") from error
        except (
            redis.RedisError,
            OSError,
            *MALFORMED,
        ) as error:  # also options of the URL that it does not know
            raise self._failure(mask(str(error)) or type(error).__name__) from error

    def _failure(self, reason: str) -> CacheFailed:
        return CacheFailed(
            f"Redis at {self._where} does not do it: {reason}", hint="Check cache.redis and its permissions."
        )
