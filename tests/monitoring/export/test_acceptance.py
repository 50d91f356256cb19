"""A version that fails, watched by the deployment and by real servers: trigger and alert on time, and back by itself."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.monitoring.export.prometheus import prometheus, query, server
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long
from tests.web import Reply, WebRequest, serve

LATE = (
    15.0  # seconds between trigger and alert on a busy machine; both are due within two intervals of a second
)
SETTINGS = {
    "CARTCTL_MONITOR__FOR": "3m",
    "CARTCTL_METRICS__CRITICAL_PATHS": 'up{job="payment-api"}',
    "CARTCTL_METRICS__QUERIES": json.dumps(
        {"db_connections": "vector(0.1)", "db_connections.timestamp": "vector(time())"}
    ),
}


def cartctl(sandbox: Sandbox, *args: str) -> subprocess.CompletedProcess[str]:
    """One command line on the sandbox, to its end."""
    command = [sys.executable, "-m", "cartctl", *args, "--config", str(sandbox.layout.config)]
    env = {**os.environ, **SETTINGS, "CARTCTL_STATE_DIR": str(sandbox.state_directory)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)


def configuration(directory: Path, sandbox: Sandbox, alertmanager: str) -> dict[str, Any]:
    """A Prometheus with the exported rules, beside the sandbox's own."""
    [rules] = directory.glob("*.rules.yaml")
    scraped = [{"files": [str(sandbox.layout.targets)], "refresh_interval": "1s"}]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "900ms"},
        "rule_files": [str(rules)],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]
        },
        "scrape_configs": [{"job_name": "payment-api", "file_sd_configs": scraped}],
    }


@long
def test_a_failing_version_fires_trigger_and_alert_and_is_rolled_back(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The deployment's own trigger rolls back; Alertmanager calls whoever is on call at about the same time, and later resolves."""
    calls: list[tuple[float, Any]] = []

    def receive(request: WebRequest) -> Reply:
        calls.append((time.time(), json.loads(request.body)))
        return Reply({})

    def called(status: str) -> list[float]:
        return [
            at
            for at, call in list(calls)
            for alert in call["alerts"]
            if (alert["labels"]["alertname"], alert["status"]) == ("CartRollbackErrorRate", status)
        ]

    out = tmp_path / "out"
    done = cartctl(sandbox, "monitor", "export", str(out))
    assert done.returncode == 0, done.stderr
    [example] = out.glob("*.alertmanager.yaml")
    with serve(receive) as web:
        routes = yaml.safe_load(example.read_text())
        routes["receivers"][0]["webhook_configs"] = [{"url": f"{web.url}/on-call", "send_resolved": True}]
        routes["route"]["routes"][0]["group_interval"] = "1s"
        (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(routes))
        with (
            server(
                "prometheus-alertmanager",
                f"--config.file={tmp_path}/alertmanager.yml",
                "--storage.path={home}/data",
                "--cluster.listen-address=",
            ) as alertmanager,
            prometheus(tmp_path, configuration(out, sandbox, alertmanager)) as url,
        ):
            wait_for(lambda: query(url, "up == 1"))
            deployed = cartctl(
                sandbox,
                *("deploy", "--yes", "-o", "json", "--image", "payment-api=2.0.0-errors"),
                *("--skip", "endpoints", "--skip", "pages", "--skip", "smoke"),  # which would see it first
            )
            *events, report = [json.loads(line) for line in deployed.stdout.splitlines()]
            assert (deployed.returncode, report["outcome"]) == (4, "rolled_back"), deployed.stderr
            assert "error_rate fired" in report["message"]
            [undoing] = [event["at"] for event in events if event["event"] == "undoing"][:1]
            fired = wait_until_called(called, "firing")
            assert abs(fired - timestamp(undoing)) < LATE
            wait_until_called(called, "resolved")
    images = {name: result.images for name, result in sandbox.cluster.deployments().items()}
    assert {str(image) for one in images.values() for image in one.values()} == {"1.0.0"}


def wait_until_called(called: Any, status: str) -> float:
    """When the first call of a status came."""
    wait_for(lambda: called(status))
    return float(called(status)[0])


def timestamp(text: str) -> float:
    """Seconds since 1970 of an event's time."""
    return datetime.fromisoformat(text).timestamp()
