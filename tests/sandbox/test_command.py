"""`cartctl sandbox` as people and scripts call it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http
from cartctl.sandbox.images import IMAGES
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import require

ROOT = Path(__file__).parents[2]
KEYS = [
    *("kind", "version", "name", "state", "dsn", "api_url", "dashboard_url", "prometheus_url", "token_file"),
    *("flags_file", "config", "deployments", "images"),
]


def cartctl(*words: str) -> subprocess.CompletedProcess[str]:
    """One command, its output and its exit code."""
    argv = [sys.executable, "-m", "cartctl", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_status_as_json(sandbox: Sandbox) -> None:
    """Exactly the documented fields, in their order, with every image named."""
    done = cartctl("sandbox", "status", "-o", "json")
    document = json.loads(done.stdout)
    assert list(document) == KEYS
    assert (done.returncode, document["kind"], document["state"], document["images"]) == (
        0,
        "sandbox",
        "up",
        list(IMAGES),
    )
    assert document["deployments"][0] == {
        "name": "payment-api",
        "image": "1.0.0",
        "revision": document["deployments"][0]["revision"],
        "replicas": 2,
        "ready": 2,
    }
    assert Path(document["token_file"]).stat().st_mode & 0o777 == 0o600


def test_up_again_changes_nothing_and_says_nothing(sandbox: Sandbox) -> None:
    """A second `up` finds everything running; its text names the addresses."""
    done = cartctl("sandbox", "up")
    assert (done.returncode, done.stderr) == (0, "")
    assert sandbox.status.api_url
    assert sandbox.status.api_url in done.stdout
    assert "payment-api" in done.stdout


def test_a_bad_name_is_reported(sandbox: Sandbox) -> None:
    """One sentence, a hint, exit 2."""
    for verb in ("up", "down", "status"):
        done = cartctl("sandbox", verb, "--name", "../x")
        assert (done.returncode, done.stdout) == (2, "")
        assert "Invalid sandbox name" in done.stderr


def test_a_sandbox_is_named_as_its_environment_is(sandbox: Sandbox) -> None:
    """`--env sandbox:NAME` names it as for every other command; two names at once are refused."""
    done = cartctl("sandbox", "status", "--env", "sandbox:nobody", "-o", "json")
    assert json.loads(done.stdout)["name"] == "nobody"
    done = cartctl("sandbox", "status", "--env", "sandbox:nobody", "--name", "default")
    assert (done.returncode, "different sandboxes" in done.stderr) == (2, True)
    done = cartctl("sandbox", "status", "--env", "production", "-o", "json")
    assert json.loads(done.stdout)["name"] == sandbox.layout.directory.name


def test_one_that_was_never_made_is_down(sandbox: Sandbox) -> None:
    """`status` and `down` of an unknown sandbox tell that it is down and make nothing."""
    for verb in ("status", "down"):
        done = cartctl("sandbox", verb, "--name", "nobody", "-o", "json")
        assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "down")
    assert not (sandbox.layout.directory.parent / "nobody").exists()


def test_prometheus_sees_every_replica(sandbox: Sandbox) -> None:
    """Where the machine has Prometheus, each API replica is scraped once a second, new ones too."""
    require("prometheus")
    assert sandbox.status.prometheus_url
    prometheus = Http(sandbox.status.prometheus_url)

    def scraped() -> int:
        document = prometheus.get("/api/v1/query", params={"query": 'up{job="payment-api"} == 1'}).json()
        return len(document["data"]["result"])

    sandbox.cluster.set_capacity("deployment/payment-api", 3)
    wait_for(lambda: scraped() == 3, seconds=30)


def test_somebody_who_is_not_root_can_use_it() -> None:
    """Another user of the machine makes, uses and purges a sandbox of their own."""
    if os.geteuid() != 0:
        pytest.skip("every other test shows it already")
    runuser = require("runuser")
    python = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not python.exists():
        pytest.skip("no interpreter that every user may run")
    home = Path(tempfile.mkdtemp(prefix="cartctl-", dir="/tmp"))
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    paths = f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}"
    words = ["env", f"HOME={home}", f"CARTCTL_STATE_DIR={home}", paths, "PYTHONDONTWRITEBYTECODE=1"]
    argv = [str(runuser), "-u", "nobody", "--", *words, str(python), "-m", "cartctl", "-o", "json", "sandbox"]
    try:
        done = subprocess.run([*argv, "up"], capture_output=True, text=True, check=False, cwd="/", timeout=60)
        assert json.loads(done.stdout)["state"] == "up", done.stderr
    finally:
        done = subprocess.run(
            [*argv, "down", "--purge"], capture_output=True, text=True, check=False, cwd="/", timeout=60
        )
    assert json.loads(done.stdout)["state"] == "down"
    assert list((home / "sandbox").iterdir()) == []
    shutil.rmtree(home)
