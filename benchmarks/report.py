"""`cartctl report --html` of a run with 24 hours of samples, as a whole process. Target: under 2 s and 1 MB.

The run is recorded in a PostgreSQL journal, its samples (one each 15 seconds) in the run's directory, as a deployment does.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.adapters.metrics.source import Metric
from cartctl.config.load import load_environment
from cartctl.config.model.environment import Thresholds
from cartctl.engine.events import Event
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.samples import FILE, SampleRecorder
from cartctl.monitoring.thresholds import MetricVerdict, rules_of
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import TriggerState
from cartctl.ports import Ports
from tests.services import embedded_server

RUN = "20261201-020000-0000"
AT = datetime(2026, 12, 1, 2, tzinfo=UTC)
SAMPLES = 24 * 3600 // 15
RUNS = 5


def record(ports: Ports) -> None:
    """A deployment that was monitored for 24 hours."""
    with closing(PostgresJournal(ports.state)) as journal:
        journal.prepare()
        phases = {"1 Preparation": ["preflight"], "5 Verification": ["monitor"]}
        journal.append(Event(RUN, AT, "run", "started", {"plan": "deploy", "env": "here", "phases": phases}))
        journal.append(Event(RUN, AT + timedelta(seconds=9), "preflight", "applied", {"seconds": 9.0}))
        end = AT + timedelta(hours=24)
        journal.append(Event(RUN, end, "monitor", "applied", {"seconds": 86391.0}))
        journal.append(Event(RUN, end, "run", "finished", {"outcome": "succeeded", "exit_code": 0}))
    limits = rules_of(Thresholds(), staleness=60, minimum_requests=50).limits
    number = 0

    def replicas() -> dict[str, tuple[int, int]]:
        return dict.fromkeys(("payment-api", "job-worker", "admin-dashboard"), (2 + number // 500 % 2, 3))

    recorder = SampleRecorder(ports.run_directory(RUN) / FILE, limits, replicas)
    for number in range(SAMPLES):
        value = 0.001 * (number % 97)
        measures = tuple(Measure(metric, value, limits[metric].unit, MetricVerdict.OK) for metric in Metric)
        triggers = (TriggerState("error_rate", "clear"), TriggerState("critical_paths", "clear"))
        recorder(
            Tick(AT + timedelta(seconds=15 * number), measures, triggers, (Probe("auth", True, "HTTP 200"),))
        )


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as place, embedded_server(18) as server:
        directory = Path(place)
        os.environ["CARTCTL_STATE_DIR"] = str(directory / "state")
        file, page = directory / "cartctl.toml", directory / "report.html"
        file.write_text(f'[env.here]\ndatabase = {{ dsn = "{server.create_database().dsn}" }}\n')
        with Ports(load_environment(str(file), "here")) as ports:
            record(ports)
        command = [sys.executable, "-m", "cartctl", "--config", str(file), "report", RUN, "--html", str(page)]
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
        print(
            f"report --html of {SAMPLES} samples: median {statistics.median(seconds):.2f} s, fastest {min(seconds):.2f} s "
            f"(target 2), {page.stat().st_size / 1000:.0f} kB (target 1000)"
        )


if __name__ == "__main__":
    main()
