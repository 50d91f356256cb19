"""The application's cache in Redis: keys by pattern, found with SCAN and removed with UNLINK; never KEYS, never FLUSH.

One server or a Redis Cluster, whose primaries are scanned one after another; TLS with rediss://, users with an ACL.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.exceptions import NoPermissionError, ReadOnlyError

from cartctl.adapters.effects import effect
from cartctl.deadline import DeadlineExceeded, within
from cartctl.errors import ConfigError, StepFailed
from cartctl.inputs import MALFORMED
from cartctl.redaction import mask, register

T = TypeVar("T")

BATCH = 500  # keys of one UNLINK: milliseconds for the server
SCANNED = 1000  # keys the server looks at per SCAN


_DATABASE = re.compile(r"\d{1,5}", re.ASCII)
_UNUSED = "cartctl-preflight"  # no application has such a key
_GLOB = re.compile(r"\\(?P<escaped>.)|\[(?P<negated>\^?)(?P<set>(?:\\.|[^\]\\])+)\]|(?P<any>[*?])", re.DOTALL)


def unused_key(pattern: str) -> str | None:
    """A key that matches a glob pattern and that no application has; None for a pattern without `*`, which may be a real key."""
    if "*" not in _GLOB.sub(lambda one: one["any"] or "", pattern):
        return None
    return _GLOB.sub(_filled, pattern)


def _filled(part: re.Match[str]) -> str:
    if part["any"]:
        return _UNUSED if part["any"] == "*" else "x"
    if part["escaped"]:
        return str(part["escaped"])
    inside = re.sub(r"\\(.)", r"\1", part["set"])
    if not part["negated"]:
        return inside[0]
    refused = re.compile(f"[{re.escape(inside).replace(chr(92) + '-', '-')}]")
    return next((letter for letter in "xyz0123456789_abc" if not refused.match(letter)), "~")


def _unlink_in_cluster(cluster: Any, keys: Sequence[bytes]) -> int:
    with cluster.pipeline() as pipeline:
        for key in keys:
            pipeline.unlink(key)
        return sum(pipeline.execute())


class CacheFailed(StepFailed):
    """Redis does not respond, or refuses a command."""

    code = "cache_failed"


class RedisCache:
    """A Redis by its URL. Opens a connection when first asked; `close` ends it.

    `timeout` is the seconds of one command, connecting and retries included.
    """

    def __init__(self, url: str, *, timeout: float = 10) -> None:
        register(url)
        self._where = mask(url)
        self._timeout = timeout
        self._url = url
        self._cluster: Any = None
        self._require_database(url)
        try:
            self._client = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        except MALFORMED as error:
            raise ConfigError(
                f"invalid Redis address {self._where!r}.",
                hint="It must begin with redis://, rediss:// or unix://.",
            ) from error

    def ready(self, patterns: Sequence[str]) -> str:
        """Whether PING, and SCAN and UNLINK on keys of the patterns, are permitted, as a sentence. Read-only.

        No key outside the patterns is touched, so that a user with access to nothing else passes. Raises ConfigError where the
        server refuses a command, CacheFailed where it could not be asked.
        """
        try:
            return self._permitted(patterns)
        except CacheFailed as failure:
            if isinstance(failure.__cause__, ReadOnlyError):
                raise ConfigError(failure.message, hint="cache.redis must name the primary.") from failure
            if isinstance(failure.__cause__, NoPermissionError):
                raise ConfigError(failure.message, hint=failure.hint) from failure
            raise

    def _permitted(self, patterns: Sequence[str]) -> str:
        self._do(self._client.ping)
        nodes = self._nodes()
        for pattern in patterns:
            for node in nodes:
                self._do(partial(node.scan, 0, match=pattern, count=1))
            if (key := unused_key(pattern)) is not None:
                self._unlink([key.encode("utf-8", "surrogateescape")])
        where = f" on {len(nodes)} primaries" if self._cluster else ""
        return f"PING answered, SCAN and UNLINK permitted{where}"

    def unlink(self, pattern: str) -> Iterator[tuple[int, int]]:
        """Remove what matches, batch by batch: how many keys were found and how many of them removed in each.

        Every key that exists from beginning to end is found (SCAN's promise). Raises CacheFailed.
        """
        for node in self._nodes():
            for batch in self._batches(node, pattern):
                with effect("redis.unlink"):
                    removed = self._unlink(batch)
                yield len(batch), removed

    def count(self, pattern: str) -> int:
        """How many keys match now. Raises CacheFailed. Read-only."""
        return len({key for node in self._nodes() for key in self._keys(node, pattern)})

    def close(self) -> None:
        """End the connection."""
        with suppress(redis.RedisError):
            self._client.close()
            if self._cluster is not None:
                self._cluster.close()

    def _require_database(self, url: str) -> None:
        """Raise ConfigError for a database that is not a number: the client would use number 0 instead."""
        try:
            parts = urlsplit(url)
            names = [unquote(parts.path)[1:]] if parts.scheme != "unix" else []
            names += parse_qs(parts.query, keep_blank_values=True).get("db", [])
        except ValueError:  # an invalid address is reported by the client
            return
        for name in names:
            if name and not _DATABASE.fullmatch(name):
                raise ConfigError(
                    f"invalid database number {mask(name)[:40]!r} in the Redis address {self._where!r}.",
                    hint="Use a number from 0, as in redis://HOST:6379/0.",
                )

    def _batches(self, node: Any, pattern: str) -> Iterator[list[bytes]]:
        batch: list[bytes] = []
        for key in self._keys(node, pattern):
            batch.append(key)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _keys(self, node: Any, pattern: str) -> Iterator[bytes]:
        cursor: Any = 0
        while True:
            cursor, keys = self._do(partial(node.scan, cursor, match=pattern, count=SCANNED))
            yield from keys
            if not cursor:
                return

    def _unlink(self, keys: Sequence[bytes]) -> int:
        """Remove keys; how many existed. In a cluster one command each, in one exchange per node: slots differ."""
        if self._cluster is None:
            return self._do(lambda: int(str(self._client.unlink(*keys))))
        return self._do(partial(_unlink_in_cluster, self._cluster, keys))

    def _nodes(self) -> list[Any]:
        """What is scanned: the server, or each primary of its cluster."""
        if not self._do(self._is_clustered):
            return [self._client]
        if self._cluster is None:
            self._cluster = self._do(self._open_cluster)
        cluster = self._cluster
        return [cluster.get_redis_connection(node) for node in cluster.get_primaries()]

    def _open_cluster(self) -> Any:
        limits = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
        return redis.RedisCluster.from_url(self._url, **limits)

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
            f"Redis at {self._where} failed: {reason}", hint="Check cache.redis and its permissions."
        )
