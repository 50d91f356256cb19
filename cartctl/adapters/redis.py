"""The application's cache in Redis: keys by pattern, found with SCAN and removed with UNLINK; never KEYS, never FLUSH."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis
from redis.exceptions import NoPermissionError

from cartctl.adapters.effects import effect
from cartctl.errors import ConfigError, StepFailed
from cartctl.redaction import mask, register

BATCH = 500  # keys of one UNLINK: milliseconds for the server
SCANNED = 1000  # keys the server looks at per SCAN


class CacheFailed(StepFailed):
    """Redis does not answer, or refuses a command."""

    code = "cache_failed"


class RedisCache:
    """A Redis by its URL. Opens a connection when first asked; `close` ends it. `timeout` is seconds per command."""

    def __init__(self, url: str, *, timeout: float = 10) -> None:
        register(url)
        self._where = mask(url)
        try:
            self._client = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        except ValueError as error:
            raise ConfigError(
                f"{self._where!r} is no address of a Redis.",
                hint="It begins with redis://, rediss:// or unix://.",
            ) from error

    def ready(self) -> str:
        """PING, and that SCAN and UNLINK are permitted; what was found, for people. Raises CacheFailed. Read-only."""
        with self._translated():
            self._client.ping()
            self._refuse_cluster()
            self._client.scan(0, match="cartctl:*", count=1)
            self._client.unlink("cartctl:preflight")  # never written by anybody
        return "PING answered, SCAN and UNLINK permitted"

    def unlink(self, pattern: str) -> Iterator[tuple[int, int]]:
        """Remove what matches, batch by batch: how many keys were found and how many of them removed in each.

        Every key that exists from beginning to end is found (SCAN's promise). Raises CacheFailed.
        """
        with self._translated():
            self._refuse_cluster()
            for batch in self._batches(pattern):
                with effect("redis.unlink"):
                    removed = self._client.unlink(*batch)
                yield len(batch), int(str(removed))

    def count(self, pattern: str) -> int:
        """How many keys match now. Raises CacheFailed. Read-only."""
        with self._translated():
            return len(set(self._client.scan_iter(match=pattern, count=SCANNED)))

    def close(self) -> None:
        """End the connection."""
        with suppress(redis.RedisError):
            self._client.close()

    def _batches(self, pattern: str) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        for key in self._client.scan_iter(match=pattern, count=SCANNED):
            batch.append(key)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _refuse_cluster(self) -> None:
        """A cluster's SCAN sees one node alone: it would leave the other nodes' keys in silence."""
        with suppress(NoPermissionError):
            if dict(self._client.info("cluster")).get("cluster_enabled"):
                raise CacheFailed(
                    f"{self._where} is a node of a Redis Cluster, whose other nodes it does not show.",
                    hint="Name a Redis of its own, or leave cache.redis out and invalidate by a hook.",
                )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise CacheFailed(
                f"Redis at {self._where} does not do it: {mask(str(error))}",
                hint="Check cache.redis and its permissions.",
            ) from error
