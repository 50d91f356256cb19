"""Incidents, each made for real on a sandbox and then resolved with the commands of its section."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plans.followed import QUICK, Person, environment_of, steps
from tests.sandbox_fixture import Sandbox
from tests.services import long

RUNBOOK = "incidents.md"
DEPLOY = ("deploy", "--env", "production")
RUN, SNAPSHOT = "20261201-020000-ab12", "run-20261201-020000-ab12"  # as the runbook prints them
SCRAPED = {**QUICK, "CARTCTL_METRICS__KIND": "scrape"}


@pytest.fixture
def person(sandbox: Sandbox, tmp_path: Path) -> Person:
    """Who is on duty; the sandbox is their production."""
    text = environment_of(sandbox.layout.config, "production")
    (tmp_path / "cartctl.toml").write_text(text, encoding="utf-8")
    return Person(tmp_path, tmp_path, SCRAPED)


@contextmanager
def deployment_at(person: Person, line: str) -> Iterator["subprocess.Popen[str]"]:
    """A deployment whose progress has come to this line; killed at the end if it still runs."""
    with person.start(*DEPLOY) as running:
        try:
            assert running.stderr is not None
            shown = next((one for one in running.stderr if line in one), None)
            assert shown is not None, line
            yield running
        finally:
            running.kill()


def kill_a_deployment(person: Person) -> str:
    """Its id; nothing of it runs any more."""
    with deployment_at(person, "prewarm: done") as running:
        running.kill()
        running.wait()
    assert person.run(*DEPLOY).returncode == 3
    return newest(person)


def newest(person: Person) -> str:
    """The id of the newest run, which is unfinished."""
    runs = json.loads(person.run("history", "--env", "production", "-o", "json").stdout)["runs"]
    assert runs[0]["outcome"] == "unfinished"
    return str(runs[0]["run"])


@long
def test_a_stuck_lock(person: Person) -> None:
    """A stopped process holds it; after `--force` and a rollback it wakes up, and changes nothing of what runs."""
    with deployment_at(person, "prewarm: done") as stuck:
        stuck.send_signal(signal.SIGSTOP)
        assert person.run(*DEPLOY).returncode == 8
        assert "heartbeat" in person.run("unlock", "--env", "production").stderr
        person.follow(RUNBOOK, "Stuck lock")
        stuck.send_signal(signal.SIGCONT)
        assert stuck.wait(120) != 0
    assert person.run(*DEPLOY).returncode == 0


@long
def test_taking_over_alone_releases_a_stuck_lock(person: Person) -> None:
    """As the section says: `rollback --take-over` needs no `unlock --force` before it."""
    with deployment_at(person, "prewarm: done") as stuck:
        stuck.send_signal(signal.SIGSTOP)
        done = person.run("rollback", "--env", "production", "--take-over")
        assert done.returncode == 0, done.stderr


@long
def test_a_failed_migration(person: Person, sandbox: Sandbox) -> None:
    """A session holds a lock from after the checks until somebody ends it; then the section's commands succeed."""
    with sandbox.superuser.session("blocker", autocommit=False) as connection:
        with person.start(*DEPLOY) as running:
            assert running.stderr is not None
            for line in running.stderr:
                if "snapshot: done" in line:
                    connection.execute("LOCK TABLE products IN SHARE ROW EXCLUSIVE MODE")
            assert running.wait(120) == 4
        report = json.loads(person.run("report", "--env", "production", "-o", "json").stdout)
        [failed] = [step for step in report["steps"] if step["outcome"] == "failed"]
        assert (failed["key"], failed["seconds"] > 1) == ("migrate", True)
        assert "timed out waiting for a lock" in report["message"]
        blocked = person.run("preflight", "--env", "production", "--only", "blockers")
        assert (blocked.returncode, "pg_terminate_backend" in blocked.stdout) == (7, True)
        plan = person.run("migrate", "deploy", "--plan", "--env", "production")
        assert (plan.returncode, "pg_terminate_backend" in plan.stderr) == (3, True)
        connection.rollback()
    person.follow(RUNBOOK, "Failed migration")


@long
def test_an_unfinished_run(person: Person) -> None:
    """A killed deployment for each of the three commands; after each, nothing is unfinished."""
    followed = list(steps(RUNBOOK, "Unfinished run"))
    assert [words[0] for words, _ in followed] == ["deploy", "rollback", "deploy"]
    for words, codes in followed:
        run = kill_a_deployment(person)
        person.follow_one(words, codes, {RUN: run})
        assert person.run(*DEPLOY, "--plan").returncode == 0


@long
def test_lost_rows(person: Person, sandbox: Sandbox) -> None:
    """Carts are deleted after a snapshot was taken; the section brings every one of them back."""
    for line in (DEPLOY, ("sandbox", "seed", "--carts", "60", "--companies", "3")):
        done = person.run(*line)
        assert done.returncode == 0, done.stderr
    person.run("snapshot", "create", "--env", "production")
    listed = json.loads(person.run("snapshot", "list", "--env", "production", "-o", "json").stdout)[
        "snapshots"
    ]
    snapshot = next(one["id"] for one in listed if not one["id"].startswith("run-"))
    with sandbox.superuser.session("mistake") as connection:
        connection.execute("DELETE FROM carts")
        for words, codes in steps(
            RUNBOOK, "Restore"
        ):  # without a person who types the name, a second flag agrees
            agreed = [] if "--plan" in words else ["--allow-data-loss"]
            person.follow_one([*words, *agreed], codes, {SNAPSHOT: snapshot})
        assert connection.execute("SELECT count(*) FROM carts").fetchone() == (60,)


@long
def test_prometheus_is_down(person: Person, sandbox: Sandbox) -> None:
    """It is killed while a deployment monitors: exit code 6, the code stays, and the tests still judge the critical functions."""
    watching = Person(person.directory, person.home, {**QUICK, "CARTCTL_MONITOR__FOR": "60s"})
    process = json.loads((sandbox.layout.directory / "prometheus.process").read_text(encoding="utf-8"))
    with deployment_at(watching, "smoke: done") as running:
        os.kill(process["pid"], signal.SIGKILL)
        assert running.wait(120) == 6
    assert watching.run("monitor", "--env", "production", "--check-queries").returncode == 7
    assert watching.run("monitor", "--env", "production", "--once").returncode == 6
    watching.follow(RUNBOOK, "Prometheus down")
