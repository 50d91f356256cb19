"""`cartctl sandbox break`: the symptoms of an incident are real, and `sandbox up` repairs each of them."""

import subprocess
import sys
import time

import pytest

from cartctl.sandbox.status import read_status
from cartctl.sandbox.up import up
from tests.sandbox.test_command import cartctl
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import require


@pytest.mark.parametrize(
    ("part", "command", "exit_code", "symptom"),
    (
        ("database", ("migrate", "status"), 2, "database"),
        ("cluster", ("doctor",), 6, "supervisor does not respond"),
    ),
)
def test_a_killed_part_is_missed_and_repaired(
    sandbox: Sandbox, part: str, command: tuple[str, ...], exit_code: int, symptom: str
) -> None:
    """The next command names the symptom; `up` starts the part again, and breaking it twice is refused."""
    done = cartctl("sandbox", "break", part)
    assert (done.returncode, "degraded" in done.stdout) == (0, True), done.stderr
    missed = cartctl(*command, "--env", "sandbox")
    assert missed.returncode == exit_code, missed.stdout
    assert symptom in missed.stdout + missed.stderr
    again = cartctl("sandbox", "break", part)
    assert (again.returncode, f"The sandbox's {part} does not run." in again.stderr) == (3, True)
    assert up("default", lambda _: None).state == "up"
    assert sandbox.layout.directory.exists()


def test_without_prometheus_nothing_is_measured(sandbox: Sandbox) -> None:
    """`monitor` is inconclusive, never fine."""
    require("prometheus")
    assert cartctl("sandbox", "break", "prometheus").returncode == 0
    assert sandbox.layout.prometheus.exists()
    done = cartctl("monitor", "--once", "--env", "sandbox")
    assert done.returncode == 6
    assert "does not respond" in done.stderr
    assert ".." not in done.stderr
    up("default", lambda _: None)


def test_a_lock_is_named_as_a_blocker_and_ends_with_its_holder(sandbox: Sandbox) -> None:
    """The preflight names the session; Ctrl-C releases the lock with exit code 130."""
    argv = [sys.executable, "-m", "cartctl", "sandbox", "break", "lock"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as holder:
        assert holder.stderr
        output = holder.stderr.readline()
        assert "is locked by process" in output
        time.sleep(2.5)  # a lock held for less than two seconds blocks nobody
        done = cartctl("preflight", "--only", "blockers", "--env", "sandbox")
        holder.send_signal(2)
        assert holder.wait(30) == 130
    assert done.returncode == 7
    assert output.split("process ")[1].split()[0] in done.stdout
    with sandbox.superuser.session("test") as connection:
        held = (
            "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'companies'::regclass"
        )
        wait_for(lambda: connection.execute(held).fetchone() is None)


@pytest.mark.parametrize(
    ("words", "message"),
    (
        (("database", "--for", "3s"), "--for goes with lock alone."),
        (("kitchen",), "is not one of 'database', 'cluster', 'prometheus', 'lock'"),
        (("lock", "--for", "soon"), "soon"),
    ),
)
def test_a_wrong_command_line_breaks_nothing(sandbox: Sandbox, words: tuple[str, ...], message: str) -> None:
    """Exit code 2 and the sentence; the sandbox stays up."""
    done = cartctl("sandbox", "break", *words)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert read_status("default").state == "up"
    assert sandbox.status.api_url
