"""A sandbox deployment, killed before and after every effect and every journal write, then resumed, or rolled back.

The default run takes a sample; `make faults` takes every point, CARTCTL_FAULTS=7 every seventh, and
CARTCTL_FAULTS=2/3 the second of three parts that together are every point, for several machines.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long

SELECTED = os.environ.get("CARTCTL_FAULTS", "")
PART = re.fullmatch(r"(\d+)/(\d+)", SELECTED)
EVERY = 1 if SELECTED == "all" else int(PART[2] if PART else SELECTED if SELECTED.isdecimal() else 131)
QUICK = {  # scraping knows a new replica at once, Prometheus after seconds
    "CARTCTL_METRICS__KIND": "scrape",
    "CARTCTL_MONITOR__FOR": "2s",
    "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1",
    "CARTCTL_CLUSTER__WORKERS__DRAIN": "60s",  # a busy machine's workers are in no hurry
}
NOT_BEGUN = 3  # exit code: there is nothing to resume, or nothing to take back


@dataclass(frozen=True)
class World:
    """What a deployment may change, as asked of the real parts."""

    images: dict[str, str]
    sizes: dict[str, int]
    maintenance: str | None
    tables: int
    heads: tuple[str, ...]


def look(sandbox: Sandbox) -> World:
    """The sandbox as it is."""
    known = sandbox.cluster.deployments()
    with sandbox.superuser.session("look") as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        versioned = connection.execute("SELECT to_regclass('cartctl.alembic_version')").fetchone()
        heads = (
            connection.execute("SELECT version_num FROM cartctl.alembic_version").fetchall()
            if versioned != (None,)
            else []
        )
    return World(
        images={name: next(iter(result.images.values())).ref for name, result in known.items()},
        sizes={name: result.replicas for name, result in known.items()},
        maintenance=sandbox.cluster.settings("cart-runtime").get("MAINTENANCE"),
        tables=tables[0] if tables else 0,
        heads=tuple(head for (head,) in heads),
    )


@dataclass
class Deployer:
    """Command lines against the sandbox, killed where asked."""

    sandbox: Sandbox
    home: Path

    def run(self, *argv: str, point: str = "") -> subprocess.CompletedProcess[str]:
        """One process; its points are in `self.points()` afterwards."""
        self._count.unlink(missing_ok=True)
        env = {**os.environ, **QUICK, "CARTCTL_STATE_DIR": str(self.sandbox.state_directory)}
        config = str(self.sandbox.layout.config)
        command = [
            sys.executable,
            "-m",
            "tests.faults.drive",
            point,
            str(self._count),
            *argv,
            "--config",
            config,
            "-o",
            "json",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=600)

    def kill(self, *argv: str, point: str) -> None:
        """A process that dies at a point, and what it held with it."""
        killed = self.run(*argv, point=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.returncode, report(killed))
        wait_for(lambda: lock_is_free(self.sandbox.superuser))

    def points(self) -> list[str]:
        """The points that the last process passed."""
        return self._count.read_text(encoding="utf-8").splitlines()

    @property
    def _count(self) -> Path:
        return self.home / "points"


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The last line of NDJSON: the run's report, or the error."""
    last: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return last


def lock_is_free(database: Postgres) -> bool:
    """Whether nobody holds the run lock: a killed owner's connection is closed by the kernel."""
    with database.session("look") as connection:
        return (
            connection.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
            ).fetchone()
            is None
        )


@pytest.fixture(scope="session")
def undisturbed() -> dict[str, Any]:
    """What the undisturbed deployment passed and left, found out once."""
    return {}


@pytest.fixture
def deployer(sandbox: Sandbox, tmp_path: Path, undisturbed: dict[str, Any]) -> Deployer:
    """A sandbox at its beginning; the undisturbed deployment is known."""
    made = Deployer(sandbox, tmp_path)
    if not undisturbed:
        undisturbed["begin"] = look(sandbox)
        done = made.run("deploy", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        undisturbed["end"] = look(sandbox)
        undisturbed["points"] = made.points()
        sandbox.reset()
    return made


def sample(points: list[str], offset: int) -> Iterator[str]:
    """Every point, every so many-th, or one part of them, told of one by one; none is a failure."""
    first = (int(PART[1]) if PART else offset) % EVERY
    chosen = points[first::EVERY]
    assert chosen, f"no kill point of {len(points)}"
    for number, point in enumerate(chosen, 1):
        sys.stderr.write(f"\n{time.strftime('%X')} {number} of {len(chosen)} of {len(points)}: {point}")
        yield point


@pytest.mark.faults
@pytest.mark.timeout(4 * 3600)
def test_killed_anywhere_a_deployment_resumes_to_the_same_end(
    deployer: Deployer, undisturbed: dict[str, Any]
) -> None:
    """`deploy --resume` ends with exit code 0 in the world that an undisturbed deployment leaves."""
    for point in sample(undisturbed["points"], 3):
        deployer.kill("deploy", "--yes", point=point)
        done = deployer.run("deploy", "--resume")
        if done.returncode == NOT_BEGUN and report(done)["kind"] == "error":
            done = deployer.run("deploy", "--yes")
        assert done.returncode == 0, (point, done.stdout[-2000:], done.stderr[-2000:])
        assert report(done)["outcome"] == "succeeded", point
        assert look(deployer.sandbox) == undisturbed["end"], point
        deployer.sandbox.reset()


@pytest.mark.faults
@pytest.mark.timeout(4 * 3600)
def test_killed_anywhere_a_deployment_is_rolled_back_from_its_journal(
    deployer: Deployer, undisturbed: dict[str, Any]
) -> None:
    """`rollback` in a new process brings the former world back, but for the migrations, which stay."""
    begin: World = undisturbed["begin"]
    for point in sample(undisturbed["points"], 25):
        deployer.kill("deploy", "--yes", point=point)
        done = deployer.run("rollback", "--yes")
        result = report(done)
        assert done.returncode == 0 or (done.returncode, result["kind"]) == (NOT_BEGUN, "error"), (
            point,
            done.stdout[-2000:],
        )
        now = look(deployer.sandbox)
        assert (now.images, now.sizes, now.maintenance) == (begin.images, begin.sizes, begin.maintenance), (
            point
        )
        assert deployer.run("history").returncode == 0
        deployer.sandbox.reset()


@long
@pytest.mark.timeout(4 * 3600)
def test_killed_anywhere_a_rollback_goes_on(deployer: Deployer, undisturbed: dict[str, Any]) -> None:
    """`rollback --database` killed at any point ends, run again, where an undisturbed one ends."""
    argv = ("rollback", "--database", "--yes")
    if "back" not in undisturbed:
        assert deployer.run("deploy", "--yes").returncode == 0
        assert deployer.run(*argv).returncode == 0
        undisturbed |= {"back": look(deployer.sandbox), "points back": deployer.points()}
        deployer.sandbox.reset()
    for point in sample(undisturbed["points back"], 17):
        assert deployer.run("deploy", "--yes").returncode == 0, point
        deployer.kill(*argv, point=point)
        done = deployer.run(*argv)
        assert (done.returncode, report(done)["outcome"]) == (0, "succeeded"), (point, done.stdout[-2000:])
        assert look(deployer.sandbox) == undisturbed["back"], point
        deployer.sandbox.reset()


@long
@pytest.mark.timeout(4 * 3600)
def test_broken_anywhere_a_deployment_ends_and_blocks_no_other(
    deployer: Deployer, undisturbed: dict[str, Any]
) -> None:
    """A bug at an effect: reverted, exit code 1, an end in the history; where a revert failed or the end could not be told, 5."""
    begin: World = undisturbed["begin"]
    before = [point for point in undisturbed["points"] if point.endswith(":before")]
    for point in sample(before, 11):
        done = deployer.run("deploy", "--yes", point=f"{point}!")
        assert done.returncode in {0, 1, 5}, (point, done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr, point
        now = look(deployer.sandbox)
        if done.returncode == 1:
            assert (now.images, now.sizes, now.maintenance) == (
                begin.images,
                begin.sizes,
                begin.maintenance,
            ), point
            runs = json.loads(deployer.run("history").stdout)["runs"]
            assert not runs or runs[0]["outcome"] != "unfinished", point
        deployer.sandbox.reset()
