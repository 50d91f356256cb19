"""The monitor: replay of a day, a tick against its slowest query, the delay of a trigger, memory over a day.

Targets: 24 hours at 15 s for four metrics replayed in less than 1 s; a tick at most 1.2 times the slowest of its queries;
a trigger fires within one scrape interval after it is due; memory flat over 24 simulated hours.
"""

import gc
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.source import Metric, PastReading, QueryFacts, Reading
from cartctl.checks.monitor import Course
from cartctl.config.model.environment import ErrorRateThreshold, Monitor, Thresholds
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.recording import read_recording
from cartctl.monitoring.replay import replay
from cartctl.monitoring.thresholds import rules_of
from cartctl.monitoring.triggers import SpanRule, TriggerFired
from cartctl.monitoring.watch import Watch
from cartctl.render.json import write_line
from tests.prometheus import prometheus, scraping

EVERY, DAY = 15.0, 24 * 3600
RUNS = 9
SLOWEST, OTHERS = 0.400, 0.100  # seconds of the four metrics' queries, and of those beside them
SCRAPE = 1.0  # seconds

SERVER = """
import json, socketserver, sys, time
from urllib.parse import parse_qs, unquote, urlsplit
slowest, others = map(float, sys.argv[1:])
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        query = parse_qs(urlsplit(self.rfile.readline().split()[1].decode()).query)
        while self.rfile.readline().strip():
            pass
        text, at = query["query"][0], float(query.get("time", [time.time()])[0])
        slow = text.startswith(("(", "histogram_quantile", "vector")) or text == "time()"
        time.sleep(slowest if slow else others)
        value = at - 2 if "timestamp" in text else 0.01
        labels = {"le": "10"} if text.startswith("count by") else {}
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": labels, "value": [at, str(value)]}]}})
        self.wfile.write(f"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\nConnection: close\\r\\n\\r\\n{body}".encode())
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


class Simulated:
    """A source whose samples are three seconds old on a clock that is moved; every tenth hour has errors."""

    window = 60.0

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def read(self) -> Mapping[Metric, Reading]:
        """Every metric."""
        sick = int(self.now // 3600) % 10 == 0
        return {
            metric: Reading(
                metric,
                0.2 if sick and metric is Metric.ERROR_RATE else 0.01,
                self.now - 3,
                3.0,
                requests=900.0,
                top_bucket=10.0,
            )
            for metric in Metric
        }

    def past_error_rates(self, *_: float) -> list[PastReading]:
        """None."""
        return []

    def history(self, *_: float) -> Any:
        """None."""
        return iter(())

    def query_facts(self) -> Mapping[str, QueryFacts]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing is open."""


def simulated() -> tuple[Simulated, Watch]:
    """A watch on a clock that is moved."""
    source = Simulated()
    return source, Watch(source, None, Thresholds(), Monitor(), clock=lambda: source.now)


def replayed() -> None:
    """A day that a monitor recorded, read from its file and assessed."""
    source, watch = simulated()
    stream = io.StringIO()
    for _ in range(round(DAY / EVERY)):
        source.now += EVERY
        write_line(watch.tick(), stream)
    rules, span = rules_of(Thresholds(), staleness=60, minimum_requests=50), SpanRule(300, 60, 60)
    times, reading = [], []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "day.ndjson"
        path.write_text(stream.getvalue())
        for _ in range(RUNS):
            began = time.perf_counter()
            observations = list(read_recording(path))
            read = time.perf_counter()
            result = replay(observations, rules, span, critical_failures=3, cooldown=600, blind_limit=300)
            times.append(time.perf_counter() - read)
            reading.append(read - began)
        size = path.stat().st_size
    print(
        f"replay of {result.samples} samples: assessed in {statistics.median(times) * 1000:.0f} ms (best {min(times) * 1000:.0f}),"
        f" read from {size / 1e6:.1f} MB in {statistics.median(reading) * 1000:.0f} ms (best {min(reading) * 1000:.0f}), target 1000"
    )


def ticked() -> None:
    """A tick of four queries, with those beside them, against the slowest."""
    argv = [sys.executable, "-c", SERVER, str(SLOWEST), str(OTHERS)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            source = PrometheusSource(url, queries={"db_connections": "vector(0.5)"})
            watch = Watch(source, None, Thresholds(), Monitor())
            times = []
            for _ in range(RUNS + 1):
                began = time.perf_counter()
                watch.tick()
                times.append(time.perf_counter() - began)
        finally:
            server.terminate()
    later = statistics.median(times[1:])
    print(
        f"a tick of 4 + {len(source.queries) - 4} queries: {later * 1000:.0f} ms, the first {times[0] * 1000:.0f} ms;"
        f" the slowest query {SLOWEST * 1000:.0f} ms, ratio {later / SLOWEST:.2f} (target 1.2)"
    )


def fired() -> None:
    """From a real Prometheus that scrapes every second: when the trigger is due, and when it fires."""
    registry = CollectorRegistry()
    requests = Counter("http_requests", "n", ["status"], registry=registry)
    seconds = [
        Histogram(f"{name}_duration_seconds", "s", registry=registry) for name in ("http_request", "db_query")
    ]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    stop = threading.Event()

    def traffic() -> None:
        while not stop.wait(0.02):
            requests.labels("500").inc(3)
            for each in seconds:
                each.observe(0.01)

    threading.Thread(target=traffic, daemon=True).start()
    rate = ErrorRateThreshold(warning=0.01, critical=0.05, rollback_after=timedelta(seconds=10))
    settings = Monitor.model_validate({"for": "60s", "every": f"{SCRAPE:g}s", "minimum_requests": 1})
    delays = []
    with prometheus(scraping(f"http://127.0.0.1:{server.server_port}", interval="1s")) as url:
        for _ in range(3):
            watch = Watch(
                PrometheusSource(url, window=4),
                None,
                Thresholds(error_rate=rate),
                settings,
                scrape_interval=SCRAPE,
            )
            breaches: list[datetime] = []

            def observe(tick: Any, breaches: list[datetime] = breaches) -> None:
                measure = next(one for one in tick.metrics if one.name is Metric.ERROR_RATE)
                if measure.verdict == "critical":
                    breaches.append(measure.sampled_at)

            pulse = Pulse()
            try:
                with watch.armed(pulse, observe=observe):
                    pulse.wait(lambda: None, 60, what="the alarm")
            except TriggerFired:
                due = next(at for at in breaches if at - breaches[0] > rate.rollback_after)
                delays.append((datetime.now(UTC) - due).total_seconds())
    stop.set()
    server.shutdown()
    thread.join()
    print(
        f"a trigger fires {max(delays):.2f} s after the sample that makes it due, at worst of {len(delays)}; scrapes every {SCRAPE:g} s"
    )


def remembered() -> None:
    """Memory of a watch and of what the monitoring step keeps, after an hour and after a day."""
    source, watch = simulated()
    course, sizes = Course(), []
    tracemalloc.start()
    for number in range(round(DAY / EVERY)):
        source.now += EVERY
        course.see(watch.tick())
        if (number + 1) % round(3600 / EVERY) == 0:
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    print(
        f"memory after 1 h {sizes[0] / 1024:.0f} KiB, after 24 h {sizes[-1] / 1024:.0f} KiB, at most {max(sizes) / 1024:.0f} KiB"
    )


if __name__ == "__main__":
    replayed()
    ticked()
    fired()
    remembered()
