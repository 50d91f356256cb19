"""The cache adapter and its step against a real Redis."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from cartctl.adapters.redis import CacheFailed, RedisCache, unused_key
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Interrupted, StepFailed
from cartctl.steps.cache import InvalidateCache
from tests.services import require

RUN = Run("r1", "sandbox", datetime.now(UTC), Path("/nonexistent"), "running", {})


def accepts(path: Path) -> bool:
    """Whether a server listens there: the file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A Redis of the tests' own on a socket, stopped at the end."""
    program = require("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="redis"))
    options = ["--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60  # a busy machine
        while not accepts(folder / "s"):
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"unix://{folder}/s"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    """A client, on an empty database."""
    made = redis.Redis.from_url(address)
    made.flushall()
    yield made
    made.acl_deluser("limited")
    made.close()


def fill(client: Any, carts: int) -> None:
    """So many cart keys, and five of others."""
    for number in range(carts):
        client.set(f"cart:{number}", "x")
    for number in range(5):
        client.set(f"session:{number}", "x")


@pytest.mark.parametrize("carts", (0, 1, 2500))
def test_exactly_the_pattern_is_removed(address: str, client: Any, carts: int) -> None:
    """Every cart key goes, in batches; every other key stays."""
    fill(client, carts)
    assert InvalidateCache(RedisCache(address), ["cart:*"]).perform(RUN, Pulse()) == {
        "keys": carts,
        "rewritten": 0,
    }
    assert len(list(client.scan_iter())) == 5


def test_neither_keys_nor_flush_is_sent(address: str, client: Any) -> None:
    """The server's own statistics show SCAN and UNLINK, never KEYS or FLUSH."""
    fill(client, 20)
    client.config_resetstat()
    InvalidateCache(RedisCache(address), ["cart:*"]).perform(RUN, Pulse())
    sent = set(client.info("commandstats"))
    assert {"cmdstat_scan", "cmdstat_unlink"} <= sent
    assert not {name for name in sent if "keys" in name or "flush" in name or name == "cmdstat_del"}


def test_what_is_written_meanwhile_is_reported(address: str, client: Any) -> None:
    """A key that the running application writes again is correct, and reported as rewritten."""
    fill(client, 3)
    cache = RedisCache(address)
    count = cache.count

    def written(pattern: str) -> int:
        client.set("cart:new", "x")
        return count(pattern)

    cache.count = written  # type: ignore[method-assign]
    assert InvalidateCache(cache, ["cart:*"]).perform(RUN, Pulse()) == {"keys": 3, "rewritten": 1}


def test_keys_that_stay_are_a_failure(address: str, client: Any) -> None:
    """Found and not removed is no success."""
    fill(client, 3)
    cache = RedisCache(address)
    cache._client.unlink = lambda *_: 0  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="none of 3 cached keys"):
        InvalidateCache(cache, ["cart:*"]).perform(RUN, Pulse())


def test_an_alarm_ends_it_between_batches(address: str, client: Any) -> None:
    """Ctrl-C does not wait for the last key."""
    fill(client, 2500)
    pulse = Pulse()
    pulse.progress = lambda *_: pulse.alarm(Interrupted("stop"))
    with pytest.raises(Interrupted):
        InvalidateCache(RedisCache(address), ["cart:*"]).perform(RUN, pulse)
    assert len(list(client.scan_iter())) > 5


@pytest.mark.parametrize("pattern", ("*", "**", "?*", ""))
def test_a_pattern_for_everything_is_refused(address: str, pattern: str) -> None:
    """A pattern without a prefix would be a flush by another name."""
    with pytest.raises(ConfigError, match="delete every key in Redis"):
        InvalidateCache(RedisCache(address), [pattern])


def test_ready_says_what_is_permitted(address: str, client: Any) -> None:
    """PING, SCAN and UNLINK are tried without touching a key."""
    fill(client, 2)
    assert "permitted" in RedisCache(address).ready(["cart:*"])
    assert len(list(client.scan_iter())) == 7


def test_a_user_who_may_not_unlink_is_not_ready(address: str, client: Any) -> None:
    """A missing permission is found before the deployment, and the password is not told."""
    client.acl_setuser(
        "limited", enabled=True, passwords=["+pa55"], commands=["+ping", "+scan", "+info"], keys=["*"]
    )
    limited = RedisCache(address.replace("unix://", "unix://limited:pa55@"))
    with pytest.raises(ConfigError, match="unlink") as caught:
        limited.ready(["cart:*"])
    limited.close()
    assert "pa55" not in caught.value.message


@pytest.mark.parametrize(
    "pattern", ("cart:*", "cart:v?:*", "cart:[a-c]:*", "cart:[^a]:*", r"cart:\*:*", "*:cart")
)
def test_readiness_stays_inside_the_key_patterns(address: str, client: Any, pattern: str) -> None:
    """A user with access to nothing but the configured keys passes, and no key is removed."""
    fill(client, 2)
    commands = ["+ping", "+scan", "+unlink", "+info"]
    client.acl_setuser("limited", enabled=True, passwords=["+pa55"], commands=commands, keys=[pattern])
    limited = RedisCache(address.replace("unix://", "unix://limited:pa55@"))
    assert "permitted" in limited.ready([pattern])
    with pytest.raises(ConfigError, match=r"[Nn]o permissions"):
        limited.ready([pattern, "session:*"])
    limited.close()
    assert len(list(client.scan_iter())) == 7


def test_least_privilege_is_enough_to_invalidate(address: str, client: Any) -> None:
    """The same user removes the cart's keys, and no other."""
    fill(client, 3)
    commands = ["+ping", "+scan", "+unlink", "+info"]
    client.acl_setuser("limited", enabled=True, passwords=["+pa55"], commands=commands, keys=["cart:*"])
    limited = RedisCache(address.replace("unix://", "unix://limited:pa55@"))
    assert InvalidateCache(limited, ["cart:*"]).perform(RUN, Pulse()) == {"keys": 3, "rewritten": 0}


def test_a_real_key_is_never_removed_to_test_a_permission(address: str, client: Any) -> None:
    """A pattern without a wildcard is the name of a key."""
    fill(client, 2)
    assert unused_key("cart:1") is None
    assert "permitted" in RedisCache(address).ready(["cart:1", "cart:[0]"])
    assert client.exists("cart:0", "cart:1") == 2


@pytest.mark.parametrize(
    "url",
    (
        "redis://h/abc",
        "redis://h:6379/-1",
        "redis://h/0/1",
        "redis://h/1.5",
        "redis://h?db=one",
        "redis://h/%32x",
    ),
)
def test_an_invalid_database_number_is_refused(url: str) -> None:
    """The client itself would silently use database 0, or another."""
    with pytest.raises(ConfigError, match=r"invalid database number|invalid Redis address"):
        RedisCache(url)


@pytest.mark.parametrize("url", ("redis://h", "redis://h/", "redis://h/3", "redis://u:p%2F@h/15?protocol=3"))
def test_a_valid_database_number_is_accepted(url: str) -> None:
    """None means 0."""
    RedisCache(url).close()


def test_a_database_number_beyond_the_servers_is_one_sentence(address: str) -> None:
    """The server's own limit is 16."""
    with pytest.raises(CacheFailed, match="out of range"):
        RedisCache(f"{address}?db=99").ready(["cart:*"])


def test_nobody_there_is_one_sentence() -> None:
    """A Redis that is down is named without its password."""
    with pytest.raises(CacheFailed, match=r"127\.0\.0\.1") as caught:
        RedisCache("redis://:s3cret@127.0.0.1:9/0").ready(["cart:*"])
    assert "s3cret" not in caught.value.message


def test_what_is_no_address_is_refused() -> None:
    """Another scheme is a configuration error."""
    with pytest.raises(ConfigError, match="invalid Redis address"):
        RedisCache("http://127.0.0.1")


@pytest.mark.parametrize("options", ("foo=bar", "encoding=no-such", "protocol=9"))
def test_an_option_that_redis_does_not_know_is_one_sentence(address: str, options: str) -> None:
    """The client takes any option of a URL and stumbles over it with the first command."""
    with pytest.raises((ConfigError, CacheFailed)):
        RedisCache(f"{address}?{options}").ready(["cart:*"])


def test_a_redis_that_hangs_is_waited_for_once() -> None:
    """Retries included, a command takes no longer than its time."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        cache = RedisCache(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.5)
        with pytest.raises(CacheFailed, match=r"longer than|Timeout"):
            cache.ready(["cart:*"])
