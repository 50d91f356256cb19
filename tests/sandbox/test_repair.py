"""A sandbox that was damaged or left behind comes back as specified."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.sandbox.down import down
from cartctl.sandbox.layout import Layout, read_json
from cartctl.sandbox.names import APP, socket_directory
from cartctl.sandbox.status import read_status
from cartctl.sandbox.up import up
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long


def quiet(_: str) -> None:
    """Says nothing."""


def of(directory: Path) -> list[psutil.Process]:
    """Every living process whose command line names something below a directory."""
    results = []
    for process in psutil.process_iter():
        try:
            named = any(str(directory) in word for word in process.cmdline())
            if named and process.status() != psutil.STATUS_ZOMBIE:
                results.append(process)
        except psutil.Error:
            continue
    return results


def test_a_killed_supervisor_is_repaired(sandbox: Sandbox) -> None:
    """After SIGKILL of the supervisor `up` brings back images, sizes, settings and addresses, and no process twice."""
    sandbox.cluster.set_images("payment-api", {"api": "2.0.0"}, cause="test")
    sandbox.cluster.set_capacity("deployment/payment-api", 3)
    sandbox.cluster.put_settings("cart-runtime", {"NOTE": "kept"})
    wait_for(sandbox.settled)
    cluster = sandbox.cluster
    results = read_json(sandbox.layout.supervisor)
    assert results
    os.kill(results["pid"], signal.SIGKILL)
    assert sandbox.api.get("/health").ok, "replicas serve on"
    with pytest.raises(ClusterUnreachable, match="supervisor does not respond"):
        cluster.deployments()
    assert read_status("default").state == "degraded"

    repaired = up("default", quiet)

    assert (repaired.state, repaired.api_url) == ("up", sandbox.status.api_url)
    api = sandbox.cluster.deployments()["payment-api"]
    assert (api.replicas, api.images["api"].ref, api.revision) == (3, "2.0.0", cluster_revision(sandbox))
    assert sandbox.cluster.settings("cart-runtime") == {"NOTE": "kept"}
    services = [
        result for result in of(sandbox.layout.directory) if "cartctl.sandbox.service" in result.cmdline()
    ]
    assert len(services) == 5


def cluster_revision(sandbox: Sandbox) -> str:
    """The newest revision that the state file tells."""
    kept = json.loads(sandbox.layout.state.read_text(encoding="utf-8"))
    return str(kept["specs"]["payment-api"]["history"][-1]["number"])


def test_a_killed_postgres_is_repaired(sandbox: Sandbox) -> None:
    """After SIGKILL of PostgreSQL the API says so, `up` starts it again with its data, and the replicas recover."""
    pid = int((sandbox.layout.postgres / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: sandbox.api.get("/health").json()["database"] == "down")
    assert sandbox.api.get("/api/products").status == 503

    repaired = up("default", quiet)

    assert repaired.dsn == sandbox.status.dsn
    wait_for(lambda: sandbox.api.get("/health").json()["database"] == "up")
    wait_for(lambda: len(sandbox.api.get("/api/products").json()) == 12)
    assert repaired.state == "up"


def test_another_process_with_the_old_pid_is_not_touched(sandbox: Sandbox) -> None:
    """Process ids of a former boot that belong to other programs now are no reason to end those."""
    down("default", quiet)
    mine = os.getpid()
    kept = json.loads(sandbox.layout.state.read_text(encoding="utf-8"))
    sandbox.layout.state.write_text(json.dumps({**kept, "processes": {"payment-api-1-00000000": mine}}))
    for name in ("supervisor.process", "prometheus.process"):
        (sandbox.layout.directory / name).write_text(json.dumps({"pid": mine}))
    lines = [str(mine), str(sandbox.layout.postgres), "1700000000", "5432", "/tmp", "", "1 1", "ready"]  # noqa: S108
    (sandbox.layout.postgres / "postmaster.pid").write_text("\n".join(lines) + "\n")

    assert read_status("default").state == "down"
    assert up("default", quiet).state == "up"


def test_down_stops_everything_and_up_finds_the_data_again(sandbox: Sandbox) -> None:
    """`down` leaves no process; the rows and the token outlive it."""
    with sandbox.superuser.session("test") as connection:
        connection.execute("UPDATE companies SET name = 'Kept' WHERE id = 'avnz'")
    token = sandbox.layout.token.read_text(encoding="utf-8")
    assert down("default", quiet).state == "down"
    assert of(sandbox.layout.directory) == []
    assert down("default", quiet).state == "down"
    sandbox.status = up("default", quiet)
    with sandbox.superuser.session("test") as connection:
        assert connection.execute("SELECT name FROM companies WHERE id = 'avnz'").fetchone() == ("Kept",)
    assert sandbox.layout.token.read_text(encoding="utf-8") == token


@long
def test_two_sandboxes_side_by_side_and_purge_leaves_nothing(sandbox: Sandbox) -> None:
    """A second sandbox has addresses and data of its own; purging it removes every file and process of it alone."""
    before = set(sandbox.layout.directory.parent.iterdir())
    second = up("second", quiet)
    layout = Layout(sandbox.layout.directory.parent / "second")
    assert second.state == "up"
    assert {second.api_url, second.dashboard_url}.isdisjoint(
        {sandbox.status.api_url, sandbox.status.dashboard_url}
    )
    assert second.dsn == EmbeddedPostgres(layout.postgres).dsn("deployer", "platform") != sandbox.status.dsn
    assert f"user={APP} " in (layout.directory / "app.dsn").read_text(encoding="utf-8")

    assert down("second", quiet, purge=True).state == "down"

    assert of(layout.directory) == []
    assert set(sandbox.layout.directory.parent.iterdir()) == before
    assert read_status("default").state == "up"


@long
def test_a_reboot_is_repaired(sandbox: Sandbox) -> None:
    """With every process gone at once and all pid files left, the status says down and `up` mends everything."""
    sandbox.cluster.set_images("payment-api", {"api": "2.0.0"}, cause="test")
    wait_for(sandbox.settled)
    for process in of(sandbox.layout.directory):
        if process.is_running():
            process.kill()
    wait_for(lambda: of(sandbox.layout.directory) == [])
    assert read_status("default").state == "down"
    repaired = up("default", quiet)
    assert repaired.state == "up"
    assert {result.name: result.image for result in repaired.deployments}["payment-api"] == "2.0.0"
    assert sandbox.api.get("/api/products").status == 200


def test_two_at_once_do_the_work_once(sandbox: Sandbox) -> None:
    """Two `up` at the same moment end in one sandbox with each replica once."""
    down("default", quiet)
    argv = [sys.executable, "-m", "cartctl", "sandbox", "up", "-o", "json"]
    both = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)
    ]
    documents = [json.loads(one.communicate()[0]) for one in both]
    assert [one["state"] for one in documents] == ["up", "up"]
    assert documents[0]["api_url"] == documents[1]["api_url"]
    lines = [process.cmdline() for process in of(sandbox.layout.directory)]
    assert sum("cartctl.sandbox.service" in line for line in lines) == 4
    assert sum("cartctl.sandbox.supervisor" in line for line in lines) == 1


def test_a_path_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sandbox's path is too long for a unix socket, the socket lies elsewhere, and purging removes it too."""
    home = Path(tempfile.mkdtemp(prefix="cartctl-", dir="/tmp"))
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(home / ("x" * 110)))
    long = up("long", quiet)
    assert long.state == "up"
    assert long.dsn
    elsewhere = socket_directory(long.dsn)
    assert elsewhere.exists()
    down("long", quiet, purge=True)
    assert not elsewhere.exists()
    assert list((home / ("x" * 110) / "sandbox").iterdir()) == []
    shutil.rmtree(home)
