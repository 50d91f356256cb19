"""A change of the flags, killed before and after every effect: the next command brings it to its end, or an abort ends it.

The default run takes a sample; `make faults` takes every point.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cartctl.errors import Refused
from cartctl.plans.deploy.run import resume
from cartctl.plans.rollback.plan import RollbackOptions
from cartctl.plans.rollback.run import choose
from cartctl.plans.rollout.inputs import open_inputs
from tests.services import long

SET = ("rollout", "set", "--percent", "25", "--force", "--why", "a test", "--yes")
POINTS = (
    "journal.started#1:after",
    "journal.intended#1:before",
    "journal.intended#1:after",
    "cluster.put_settings#1:before",
    "cluster.put_settings#1:after",
    "journal.applied#1:before",
    "journal.applied#1:after",
    "journal.finished#1:before",
    "journal.finished#1:after",
)
SAMPLE = ("cluster.put_settings#1:after",)
CHOSEN = POINTS if os.environ.get("CARTCTL_FAULTS") == "all" else SAMPLE


def drive(field: Any, home: Path, *argv: str, point: str = "") -> tuple[int, str]:
    """One command line of a process of its own, killed at a point; its exit code and what it wrote to stdout."""
    config = str(field.sandbox.layout.config)
    command = [
        sys.executable,
        "-m",
        "tests.faults.drive",
        point,
        str(home / "points"),
        *argv,
        "--config",
        config,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=120)
    return done.returncode, done.stdout


def under_way(field: Any, home: Path) -> None:
    """A rollout that has begun."""
    code, result = drive(field, home, "rollout", "start", "--yes", "--date", today(field))
    assert code == 0, result


def today(field: Any) -> str:
    """The date that the database has: the calendar of production."""
    with field.ports() as ports, open_inputs(ports, read_only=True) as inputs:
        return str(inputs.clock().date())


@pytest.mark.faults
@pytest.mark.parametrize("point", CHOSEN)
def test_a_change_killed_anywhere_is_brought_to_its_end(field: Any, tmp_path: Path, point: str) -> None:
    """Killed there, the same command again ends where an undisturbed one ends, and no run is left unfinished."""
    under_way(field, tmp_path)
    assert drive(field, tmp_path, *SET, point=point)[0] == -signal.SIGKILL
    with field.ports() as ports, open_inputs(ports) as inputs:
        unfinished = inputs.journals.unfinished()
        assert (unfinished is None) == (point == POINTS[-1])
    code, result = drive(field, tmp_path, *SET, "-o", "json")
    assert code == 0, result
    assert len(field.on()) == 10
    with field.ports() as ports, open_inputs(ports) as inputs:
        assert inputs.journals.unfinished() is None


@pytest.mark.faults
@pytest.mark.parametrize("point", POINTS[3:5] if CHOSEN is POINTS else POINTS[4:5])
def test_an_abort_ends_a_change_that_was_killed(field: Any, tmp_path: Path, point: str) -> None:
    """Between the journal and the write, or between the write and the journal: back to 0 %, and the dead run has an end."""
    under_way(field, tmp_path)
    assert drive(field, tmp_path, *SET, point=point)[0] == -signal.SIGKILL
    with field.ports() as ports, open_inputs(ports) as inputs:
        with pytest.raises(Refused, match="No deployment has changed anything"):
            choose(inputs.journals, RollbackOptions())
        with pytest.raises(Refused, match="is a rollout"):
            resume(ports, field.view())
    code, result = drive(field, tmp_path, "rollout", "abort", "--yes", "--why", "a kill", "-o", "json")
    assert code == 0, result
    assert json.loads(result.splitlines()[-1])["outcome"] == "succeeded"
    assert field.on() == frozenset()
    with field.ports() as ports, open_inputs(ports) as inputs:
        assert inputs.journals.unfinished() is None


@long
def test_an_abort_killed_after_its_write_is_done(field: Any, tmp_path: Path) -> None:
    """The flags are at 0 % with the one write; the abort said again confirms it."""
    under_way(field, tmp_path)
    drive(field, tmp_path, *SET)
    assert (
        drive(field, tmp_path, "rollout", "abort", "--yes", point="cluster.put_settings#1:after")[0]
        == -signal.SIGKILL
    )
    assert field.on() == frozenset()
    assert drive(field, tmp_path, "rollout", "abort", "--yes")[0] == 0
