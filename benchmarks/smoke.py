"""The built-in smoke suite as a process against `--help`, and 50 probes of 20 ms against their slowest chain.

Targets: the built-in suite of a sandbox at most 2.5 times `--help` (whole processes in turn, the median of the ratios); 50 probes in
chains of five at most 1.5 times the slowest chain, without start-up (the best run).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cartctl.adapters.http.client import Http
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse

RUNS = 9
PROBES, CHAIN, DELAY = 50, 5, 0.020  # seconds

SERVER = """
import socketserver, sys, time
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1]
        while self.rfile.readline().strip():
            pass
        if path.startswith(b"/slow"):
            time.sleep(float(sys.argv[1]))
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 11\\r\\nConnection: close\\r\\n\\r\\n{\\"total\\":3}")
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def seconds(*argv: str, **env: str) -> float:
    """Wall time of one process that must succeed."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "cartctl", *argv], check=True, capture_output=True, env={**os.environ, **env}
    )
    return time.perf_counter() - began


def built_in() -> None:
    """The built-in suite of a sandbox, its database included."""
    with tempfile.TemporaryDirectory() as directory:
        env = {"CARTCTL_STATE_DIR": directory}
        seconds("sandbox", "up", **env)
        try:
            seconds("migrate", "deploy", "--env", "sandbox", **env)
            seconds("deploy", "--env", "sandbox", "--yes", "--monitor-for", "1s", **env)
            pairs = [(seconds("smoke", "--env", "sandbox", **env), seconds("--help")) for _ in range(RUNS)]
        finally:
            seconds("sandbox", "down", "--purge", **env)
    suite, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"built-in suite {suite * 1000:.0f} ms, --help {bare * 1000:.0f} ms, ratio {ratio:.2f} (target 2.5)"
    )


def suite_text(path: str, probes: int) -> str:
    """Chains of five requests each."""
    return "".join(
        f'[[request]]\nname = "r{number}"\npath = "{path}"\nattempts = 1\n'
        + (f'needs = ["r{number - 1}"]\n' if number % CHAIN else "")
        for number in range(probes)
    )


def probes() -> None:
    """50 probes of 20 ms in ten chains, without start-up: the process begins before the time is taken."""
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(DELAY)], stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout
        try:
            http = Http(f"http://127.0.0.1:{server.stdout.readline().strip()}")
            suite = Path(directory) / "many.toml"
            suite.write_text(suite_text("/slow", PROBES))
            times = sorted(judged(Targets(http, http, None, None), suite) for _ in range(3 * RUNS))
        finally:
            server.terminate()
    chain = CHAIN * DELAY
    print(
        f"{PROBES} probes of {DELAY * 1000:.0f} ms: best {times[0] * 1000:.0f} ms, median {statistics.median(times) * 1000:.0f} ms;"
        f" the slowest chain {chain * 1000:.0f} ms, ratio {times[0] / chain:.2f} (target 1.5)"
    )


def judged(targets: Targets, suite: Path) -> float:
    """Seconds of one run, reading the suite included."""
    began = time.perf_counter()
    checks = Smoke("smoke", targets, suites=[suite], built_in=False).judge(Pulse())
    assert checks.verdict is Verdict.PASS
    return time.perf_counter() - began


if __name__ == "__main__":
    probes()
    built_in()
