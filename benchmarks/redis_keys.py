"""Invalidate 1 million keys of a real Redis while another client measures its own requests.

Targets: at least 50,000 keys/s; the other client's p99 stays under 5 ms.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import redis

from cartctl.adapters.redis import RedisCache
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.steps.cache import InvalidateCache

KEYS = 1_000_000
OTHERS = 100_000
RUN = Run("r1", "sandbox", datetime.now(UTC), Path("/nonexistent"), "running", {})


def fill(client: "redis.Redis") -> None:
    """Cart keys, and keys of others that are scanned as well."""
    for prefix, count in (("cart", KEYS), ("session", OTHERS)):
        for start in range(0, count, 10_000):
            client.mset({f"{prefix}:{number}": "x" * 50 for number in range(start, start + 10_000)})


PROBE = """
import sys, threading, time, redis
client = redis.Redis.from_url(sys.argv[1])
latencies = []
print("ready", flush=True)
until = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), until.set()), daemon=True).start()
while not until.is_set():
    began = time.perf_counter()
    client.get("session:1")
    latencies.append(time.perf_counter() - began)
    time.sleep(0.001)
print(sorted(latencies)[int(len(latencies) * 0.99)] * 1000, len(latencies))
"""


def main() -> None:
    """Print the figures."""
    folder = tempfile.mkdtemp(prefix="redis")
    address = f"unix://{folder}/s"
    options = ["--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as server:
        time.sleep(1)
        client = redis.Redis.from_url(address)
        fill(client)
        for name, work in (("idle", lambda: time.sleep(5)), ("invalidating", lambda: invalidate(address))):
            probe = subprocess.Popen(
                [sys.executable, "-c", PROBE, address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert probe.stdout
            probe.stdout.readline()
            work()
            output, _ = probe.communicate("")
            latency, count = output.split()
            print(f"{name}: another client's p99 {float(latency):.2f} ms over {count} requests (target 5)")
        server.terminate()


def invalidate(address: str) -> None:
    """Print the rate."""
    began = time.perf_counter()
    result = InvalidateCache(RedisCache(address), ["cart:*"]).perform(RUN, Pulse())
    took = time.perf_counter() - began
    assert result == {"keys": KEYS, "rewritten": 0}, result
    print(f"{KEYS} keys in {took:.1f} s: {KEYS / took:,.0f} keys/s (target 50,000)")


if __name__ == "__main__":
    main()
