"""`cartctl rollback --to-revision` as a person runs it: one journalled run, killed and gone on with, and its refusals."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.cli import app
from tests.kubernetes.fixture import Small, wait_until
from tests.web import Reply, WebRequest, serve

NAME, FIRST, SECOND = "payment-api", "acme/api:1", "acme/api:2"


@dataclass
class Cli:
    """Command lines against the small cluster, whose second revision another tool released."""

    home: Path
    small: Small

    def run(self, *argv: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and every JSON document written."""
        done = CliRunner().invoke(app, [*argv, *self._common])
        try:
            return done.exit_code, [json.loads(done.stdout)]
        except json.JSONDecodeError:
            return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    def back(self, *argv: str) -> tuple[int, dict[str, Any]]:
        """`rollback --to-revision` with these arguments: exit code and the last document."""
        code, result = self.run("rollback", "--to-revision", *argv)
        return code, result[-1]

    def killed(self, point: str, *argv: str) -> int:
        """The exit code of a process of its own that is killed at a point."""
        drive = [sys.executable, "-m", "tests.faults.drive", point, str(self.home / "points")]
        return subprocess.run([*drive, *argv, *self._common], capture_output=True, check=False).returncode

    @property
    def _common(self) -> tuple[str, ...]:
        return ("--config", str(self.home / "cartctl.toml"), "-o", "json")

    @property
    def generation(self) -> int:
        """How often the deployment's spec was changed."""
        return int(self.small.item("apps/v1", "deployments", NAME)["metadata"]["generation"])


def answer(request: WebRequest) -> Reply:
    """A healthy service without a cart."""
    if request.path == "/api/auth/session":
        return Reply({}, 401)
    return Reply({"status": "ok"})


@pytest.fixture
def cli(
    small: Small, empty_database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cli]:
    """Two revisions of payment-api, the second one running."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    small.deploy()
    small.cluster.set_images(NAME, {"api": SECOND}, cause="somebody")
    wait_until(lambda: small.cluster.deployments()[NAME].revision == "2")
    small.settle()
    with serve(answer) as web:
        (tmp_path / "cartctl.toml").write_text(
            f"""
            [env.test.database]
            dsn = "{empty_database.dsn}"
            [env.test.cluster]
            kind = "kubernetes"
            namespace = "production"
            [env.test.http]
            api = "{web.url}"
            [env.test.release]
            timeout = "30s"
            """
        )
        yield Cli(tmp_path, small)


def test_it_is_a_run_with_events_a_report_and_a_place_in_the_history(cli: Cli) -> None:
    """NDJSON to the report with exit code 0, hashes and no template in the journal; N is gone afterwards, as with kubectl."""
    code, result = cli.run("rollback", "--to-revision", f"{NAME}=1", "--yes")
    assert (code, cli.small.refs()) == (0, {"api": FIRST})
    assert [one["event"] for one in result if one["kind"] == "event" and one["step"] == "revision"] == [
        "intended",
        "applied",
    ]
    report = result[-1]
    assert (report["kind"], report["outcome"], report["exit_code"]) == ("run", "succeeded", 0)
    assert [step["key"] for step in report["steps"]] == ["revision", "health.old"]
    assert "acme/" not in json.dumps(
        [one for one in result if one["kind"] == "event" and one["step"] == "revision"]
    )
    _, (history,) = cli.run("history")
    assert [(run["plan"], run["outcome"]) for run in history["runs"]] == [("revision", "succeeded")]
    before = cli.generation
    assert cli.back(f"{NAME}=1", "--yes")[0] == 2
    assert (cli.back(f"{NAME}=3", "--yes")[0], cli.generation) == (0, before)


def test_the_plan_names_the_images_and_causes_of_every_revision(cli: Cli) -> None:
    """For people: numbers, images and change-causes, and no hash. The revision that runs is marked unchanged."""
    cli.small.cluster.set_images(NAME, {"api": "acme/api:3"}, cause="cartctl run R1: release.api acme/api:3")
    wait_until(lambda: cli.small.cluster.deployments()[NAME].revision == "3")
    argv = ["rollback", "--to-revision", f"{NAME}=1", "--plan", "--config", str(cli.home / "cartctl.toml")]
    text = " ".join(CliRunner().invoke(app, argv).stdout.split())
    third = "revision 3 (acme/api:3, cartctl run R1: release.api acme/api:3)"
    assert f"{NAME}: {third} → revision 1 ({FIRST}) revision 2 ({SECOND}, somebody)" in text
    assert cli.small.cluster.template(NAME) not in text
    _, same = cli.back(f"{NAME}=3", "--plan")
    assert same["rows"][0]["moves"][0] == f"{NAME}: {third}, unchanged"


def test_the_plan_shows_and_changes_nothing(cli: Cli) -> None:
    """Template hashes now and then; no run is begun, and without --yes or a terminal none would be."""
    code, shown = cli.back(f"{NAME}=1", "--plan")
    (row, _) = shown["rows"]
    assert (code, shown["kind"], row["before"] != row["after"]) == (0, "plan", True)
    assert row["moves"] == [f"{NAME}: revision 2 ({SECOND}, somebody) → revision 1 ({FIRST})"]
    assert cli.back(f"{NAME}=1")[0] == 3
    assert (cli.small.refs(), cli.run("history")[1][0]["runs"]) == ({"api": SECOND}, [])


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    (
        ((f"{NAME}=7", "--yes"), 2, "has no revision 7"),
        (("checkout=1", "--yes"), 2, "deployment checkout not found"),
        ((f"{NAME}=0", "--yes"), 2, "use DEPLOYMENT=N"),
        ((f"{NAME}=1", "--yes", "--run", "r1"), 2, "excludes --run"),
        ((f"{NAME}=1", "--yes", "--database"), 2, "excludes --run"),
    ),
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    cli: Cli, argv: tuple[str, ...], code: int, expected: str
) -> None:
    """One sentence, and no run."""
    result, error = cli.back(*argv)
    assert (result, error["kind"], expected in error["message"]) == (code, "error", True), error
    assert (cli.small.refs(), cli.run("history")[1][0]["runs"]) == ({"api": SECOND}, [])


@pytest.mark.parametrize(
    ("patch", "expected"),
    (
        ({"spec": {"paused": True}}, "is paused"),
        ({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}, "belongs to Helm"),
    ),
)
def test_a_deployment_that_is_paused_or_somebody_elses_is_refused(
    cli: Cli, patch: dict[str, Any], expected: str
) -> None:
    """Exit code 3 and nothing changed; a new attempt is free."""
    cli.small.patch("apps/v1", "deployments", NAME, patch)
    for _ in range(2):
        code, report = cli.back(f"{NAME}=1", "--yes")
        assert (code, expected in report["message"]) == (3, True), report
    assert cli.small.refs() == {"api": SECOND}


def test_a_revision_that_does_not_come_up_is_reverted(cli: Cli) -> None:
    """Exit code 4: the former template runs again."""
    cli.small.controller.bad[FIRST] = "CrashLoopBackOff"
    code, report = cli.back(f"{NAME}=1", "--yes")
    assert (code, report["outcome"], cli.small.refs()) == (4, "rolled_back", {"api": SECOND})
    assert "CrashLoopBackOff" in report["message"]
    cli.small.settle()


@pytest.mark.parametrize("moment", ("before", "after"))
def test_killed_in_the_middle_it_goes_on_where_it_was(cli: Cli, moment: str) -> None:
    """Also when the cluster has given the revision a new number; another revision and a deployment are refused till then."""
    code = cli.killed(f"cluster.set_template#1:{moment}", "rollback", "--to-revision", f"{NAME}=1", "--yes")
    assert code == -signal.SIGKILL
    if moment == "after":
        wait_until(lambda: cli.small.cluster.deployments()[NAME].revision == "3")
    code, error = cli.back(f"{NAME}=2", "--yes")
    assert (code, f"--to-revision {NAME}=1" in error["hint"]) == (3, True), error
    code, report = cli.back(f"{NAME}=1", "--yes")
    assert (code, report.get("outcome"), cli.small.refs()) == (0, "succeeded", {"api": FIRST}), report
    _, (history,) = cli.run("history")
    assert [run["outcome"] for run in history["runs"]] == ["succeeded"]
