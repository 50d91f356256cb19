"""Invalidation in a real Redis Cluster, over TLS, and on a replica that takes no writes."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from cartctl.adapters.redis import CacheFailed, RedisCache
from cartctl.checks.isolation import isolated
from cartctl.checks.preflight.redis import check_redis
from cartctl.engine.model import Run, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.steps.cache import InvalidateCache
from tests.sandbox_fixture import wait_for
from tests.services import require

RUN = Run("r1", "sandbox", datetime.now(UTC), Path("/nonexistent"), "running", {})
KEYS = 3000


def free_port() -> int:
    """A port below 55536, so that the cluster's bus has one as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55536:
            return port


def listens(port: int) -> bool:
    """Whether a server accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(*options: str) -> Iterator[int]:
    """A Redis on a loopback port."""
    port, folder = free_port(), tempfile.mkdtemp(prefix="redis")
    listen = ["--bind", "127.0.0.1", "--save", "", "--dir", folder]
    listen += [option.replace("PORT", str(port)) for option in options] or ["--port", str(port)]
    process = subprocess.Popen([require("redis-server"), *listen], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not listens(port):
            assert time.monotonic() < end
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    """A port of a cluster of three primaries."""
    with ExitStack() as stack:
        ports = [stack.enter_context(server("--port", "PORT", "--cluster-enabled", "yes")) for _ in range(3)]
        nodes = [f"127.0.0.1:{port}" for port in ports]
        create = [
            str(require("redis-cli")),
            "--cluster",
            "create",
            *nodes,
            "--cluster-replicas",
            "0",
            "--cluster-yes",
        ]
        subprocess.run(create, check=True, capture_output=True, timeout=120)
        yield ports[0]


def fill(client: Any) -> None:
    """Cart keys in every slot range, and others."""
    for number in range(KEYS):
        client.set(f"cart:{number}", "x")
    client.set("session:1", "x")


def test_every_primary_is_scanned(cluster: int) -> None:
    """A cluster's keys go from all nodes, in batches with progress; other keys stay."""
    client: Any = redis.RedisCluster(host="127.0.0.1", port=cluster)
    fill(client)
    shown: list[float] = []
    cache = RedisCache(f"redis://127.0.0.1:{cluster}")
    assert "on 3 primaries" in cache.ready(["cart:*"])
    pulse = Pulse(progress=lambda done, *_: shown.append(done))
    assert InvalidateCache(cache, ["cart:*"]).perform(RUN, pulse) == {"keys": KEYS, "rewritten": 0}
    assert client.exists("session:1") == 1
    assert shown[-1] == KEYS
    assert len(shown) >= 6  # batches of at most 500
    client.close()


def test_a_cluster_s_user_needs_few_permissions(cluster: int) -> None:
    """SCAN, UNLINK, PING, INFO and what a cluster client reads of the topology, on the cart's keys alone."""
    client: Any = redis.RedisCluster(host="127.0.0.1", port=cluster)
    client.set("cart:acl", "x")
    commands = ["+ping", "+scan", "+unlink", "+info", "+cluster|slots", "+cluster|shards", "+command"]
    for node in client.get_primaries():
        client.get_redis_connection(node).acl_setuser(
            "cartctl", enabled=True, passwords=["+pw"], commands=commands, keys=["cart:*"]
        )
    cache = RedisCache(f"redis://cartctl:pw@127.0.0.1:{cluster}")
    cache.ready(["cart:*"])
    assert InvalidateCache(cache, ["cart:*"]).perform(RUN, Pulse())["keys"] == 1
    client.close()


def test_tls_is_verified(tmp_path: Path) -> None:
    """With the server's authority it works; without, it is refused in one sentence."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    options = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *options]
    subprocess.run(
        [require("openssl"), *make, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    files = [
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-ca-cert-file",
        str(certificate),
    ]
    with server("--port", "0", "--tls-port", "PORT", "--tls-auth-clients", "no", *files) as port:
        trusted = RedisCache(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
        assert "permitted" in trusted.ready(["cart:*"])
        trusted.close()
        with pytest.raises(CacheFailed, match="certificate"):
            RedisCache(f"rediss://127.0.0.1:{port}/0").ready(["cart:*"])


def test_a_read_only_replica_is_not_ready() -> None:
    """Found before the deployment, by the server's own word: a wrong address, and no doubt about it."""
    with server() as primary, server("--port", "PORT", "--replicaof", f"127.0.0.1 {primary}") as replica:
        cache = RedisCache(f"redis://127.0.0.1:{replica}")
        with pytest.raises(ConfigError, match="read only replica") as caught:
            cache.ready(["cart:*"])
        assert caught.value.hint == "cache.redis must name the primary."
        redis.Redis(port=primary).set("cart:1", "x")
        wait_for(lambda: cache.count("cart:*") == 1)
        with pytest.raises(CacheFailed, match="read only replica"):
            list(cache.unlink("cart:*"))
        assert cache.count("cart:*") == 1
        [result] = isolated("redis", lambda: check_redis(cache, ["cart:*"]), Pulse())
        assert result.verdict is Verdict.FAIL
        cache.close()


def test_a_user_who_may_not_remove_keys_fails_the_check() -> None:
    """An ACL without UNLINK is a definite refusal, with the permission that is missing."""
    with server() as port:
        admin = redis.Redis(port=port)
        admin.acl_setuser(
            "reader", enabled=True, passwords=["+pw"], keys=["cart:*"], commands=["+ping", "+info", "+scan"]
        )
        cache = RedisCache(f"redis://reader:pw@127.0.0.1:{port}")
        [result] = isolated("redis", lambda: check_redis(cache, ["cart:*"]), Pulse())
        assert (result.verdict, "unlink" in str(result.observed)) == (Verdict.FAIL, True)
        cache.close()
        admin.close()
