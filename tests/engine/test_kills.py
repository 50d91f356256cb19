"""The engine, killed before and after every effect and every journal write."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.engine.toy import BEGINNING, END

ALL = os.environ.get("CARTCTL_FAULTS") == "all"


def _run(database: Postgres, home: Path, verb: str, kill: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.engine.toy", database.dsn, str(home), verb, kill]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def _begin(database: Postgres, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "world.json").write_text(json.dumps(BEGINNING))
    for file in (home / "runs").glob("*"):
        file.unlink()
    with database.session("reset") as connection:
        connection.execute("DROP SCHEMA IF EXISTS cartctl_journal CASCADE")


def _world(home: Path) -> dict[str, int]:
    world: dict[str, int] = json.loads((home / "world.json").read_text())
    return world


def _points(database: Postgres, home: Path, *verbs: str, code: int = 0) -> list[str]:
    """Every kill point of the last verb, undisturbed; a sample of them in the default run."""
    _begin(database, home)
    for verb in verbs:
        done = _run(database, home, verb)
    assert done.returncode == code, done.stderr
    passed = int(done.stdout)
    assert passed > 0
    points = [f"{point}:{moment}" for point in range(1, passed + 1) for moment in ("before", "after")]
    return points if ALL else points[1::18]


@pytest.mark.faults
def test_a_killed_run_resumes_to_the_same_end(empty_database: Postgres, tmp_path: Path) -> None:
    """Wherever a run is killed, resuming it ends where an undisturbed run ends, with exit code 0."""
    points = _points(empty_database, tmp_path, "deploy")
    for point in points:
        _begin(empty_database, tmp_path)
        assert _run(empty_database, tmp_path, "deploy", point).returncode == -signal.SIGKILL, point
        done = _run(empty_database, tmp_path, "resume")
        assert (done.returncode, _world(tmp_path)) == (0, END), (point, done.stderr)
    assert points


@pytest.mark.faults
def test_a_killed_run_is_rolled_back_by_another_process(empty_database: Postgres, tmp_path: Path) -> None:
    """Wherever a run is killed, a rollback from its journal alone ends in the former world, but for the migration."""
    points = _points(empty_database, tmp_path, "deploy")
    for point in points:
        _begin(empty_database, tmp_path)
        assert _run(empty_database, tmp_path, "deploy", point).returncode == -signal.SIGKILL, point
        done = _run(empty_database, tmp_path, "rollback")
        world = {name: number for name, number in _world(tmp_path).items() if name != "migrated"}
        assert (done.returncode, world) == (0, BEGINNING), (point, done.stderr)
    assert points


@pytest.mark.faults
def test_a_killed_rollback_goes_on(empty_database: Postgres, tmp_path: Path) -> None:
    """Wherever a rollback is killed, running it again ends in the former world."""
    points = _points(empty_database, tmp_path, "deploy", "rollback")
    for point in points:
        _begin(empty_database, tmp_path)
        assert _run(empty_database, tmp_path, "deploy").returncode == 0
        assert _run(empty_database, tmp_path, "rollback", point).returncode == -signal.SIGKILL, point
        done = _run(empty_database, tmp_path, "rollback")
        assert (done.returncode, _world(tmp_path)) == (0, {**BEGINNING, "migrated": 1}), (point, done.stderr)
    assert points


@pytest.mark.faults
def test_a_run_killed_while_undoing_goes_on_undoing(empty_database: Postgres, tmp_path: Path) -> None:
    """Wherever a failing run is killed, going on ends in the former world with the exit code of an undone failure."""
    points = _points(empty_database, tmp_path, "fail", code=4)
    for point in points:
        _begin(empty_database, tmp_path)
        assert _run(empty_database, tmp_path, "fail", point).returncode == -signal.SIGKILL, point
        done = _run(empty_database, tmp_path, "fail")
        assert (done.returncode, _world(tmp_path)) == (4, {**BEGINNING, "migrated": 1}), (point, done.stderr)
    assert points
