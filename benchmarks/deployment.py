"""A deployment in a sandbox of its own, under load: time without monitoring, peak memory, failed requests, downtime.

Targets: under 15 s on 2 cores, under 150 MB; with maintenance "none" no failed request at 50 per second against shoppers' and
admins' paths; with "migration" only 503 with Retry-After, for less than 2 s.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

RATE = 50  # requests per second
PATHS = ("/api/products", "/api/auth/session")


def cartctl(*argv: str, **env: str) -> tuple[dict[str, Any], float]:
    """The last JSON document of a command, and the peak memory of its process in MB."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cartctl", *argv, "-o", "json"], stdout=out, env={**os.environ, **env}
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode().strip()
    document = json.loads(text) if text.startswith("{\n") else json.loads(text.splitlines()[-1])
    assert process.returncode == 0, document
    return document, usage.ru_maxrss / 1024


class Load(threading.Thread):
    """Asks in turn as a shopper and as an admin, each request on its own thread, until told to stop."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self.answers: Counter[str] = Counter()
        self.closed: list[float] = []
        self._ended = threading.Event()
        self._clients = (
            httpx.Client(base_url=url),
            httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}),
        )

    def run(self) -> None:
        """One request every 1/RATE seconds."""
        asking: list[threading.Thread] = []
        due = time.monotonic()
        number = 0
        while not self._ended.is_set():
            asking.append(threading.Thread(target=self._ask, args=(number % 2,)))
            asking[-1].start()
            number, due = number + 1, due + 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
        for thread in asking:
            thread.join()

    def end(self) -> None:
        """Stop, and wait for what is in flight."""
        self._ended.set()
        self.join()
        for client in self._clients:
            client.close()

    def _ask(self, who: int) -> None:
        name = ("shopper", "admin")[who]
        try:
            answer = self._clients[who].get(PATHS[who])
        except httpx.HTTPError as error:
            self.answers[f"{name} {type(error).__name__}"] += 1
            return
        kind = f"{answer.status_code}" + (
            " with Retry-After" if answer.status_code == 503 and "retry-after" in answer.headers else ""
        )
        self.answers[f"{name} {kind}"] += 1
        if answer.status_code == 503:
            self.closed.append(time.monotonic())


def measure(maintenance: str) -> None:
    """One sandbox, one deployment, one line of figures."""
    with tempfile.TemporaryDirectory(prefix="cartctl-bench-") as home:
        os.environ["CARTCTL_STATE_DIR"] = home
        status, _ = cartctl("sandbox", "up")
        load = Load(status["api_url"], Path(status["token_file"]).read_text(encoding="utf-8").strip())
        load.start()
        try:
            report, peak = cartctl("deploy", "--yes", "--env", "sandbox", CARTCTL_MAINTENANCE=maintenance)
        finally:
            load.end()
            cartctl("sandbox", "down", "--purge")
    monitoring = sum(step["seconds"] for step in report["steps"] if step["key"] == "monitor")
    closed = max(load.closed) - min(load.closed) if load.closed else 0.0
    print(
        f'maintenance "{maintenance}": {report["seconds"] - monitoring:.1f} s without monitoring (target 15), '
        f"peak memory {peak:.0f} MB (target 150), shoppers closed {closed:.2f} s (target 2), "
        f"reported downtime {report['downtime_seconds']} s; answers: {dict(load.answers)}"
    )


if __name__ == "__main__":
    for mode in sys.argv[1:] or ("none", "migration"):
        measure(mode)
