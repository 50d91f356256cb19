"""The two commands, as a person would use them, on a real sandbox."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.sandbox.names import OWNER
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import LONG, long

QUICK = {  # scraping knows a new replica at once, Prometheus after seconds
    "CARTCTL_METRICS__KIND": "scrape",
    "CARTCTL_MONITOR__FOR": "2s",
    "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1",
}


@dataclass
class Going:
    """A process that goes on; what it writes goes to files, since nobody reads along."""

    process: subprocess.Popen[bytes]
    out: Path

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit code and its last JSON document: a run's report, a result, an error; empty when it was killed."""
        code = self.process.wait(timeout=600)
        text = self.out.read_text(encoding="utf-8").strip()
        if code == -signal.SIGKILL:
            return code, {}
        assert text, self.out.with_suffix(".err").read_text(encoding="utf-8")
        try:
            return code, json.loads(text)
        except json.JSONDecodeError:
            return code, json.loads(text.splitlines()[-1])


class Cli:
    """Command lines against a sandbox."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        self.env = {**os.environ, **QUICK, "CARTCTL_STATE_DIR": str(sandbox.state_directory)}
        self.started: list[Going] = []
        self._home = home

    def start(self, *argv: str, **env: str) -> Going:
        """Begin one."""
        config = str(self.sandbox.layout.config)
        command = [sys.executable, "-m", "cartctl", *argv, "--config", config, "-o", "json"]
        out = self._home / f"{len(list(self._home.iterdir()))}.out"
        with out.open("w") as stdout, out.with_suffix(".err").open("w") as stderr:
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env={**self.env, **env})
        self.started.append(Going(process, out))
        return self.started[-1]

    def run(self, *argv: str, **env: str) -> tuple[int, dict[str, Any]]:
        """Run one to its end."""
        return self.start(*argv, **env).end()

    def deploy(self, *argv: str) -> None:
        """A deployment that succeeds."""
        code, report = self.run("deploy", "--yes", *argv)
        assert (code, report.get("outcome")) == (0, "succeeded"), report["message"]

    def images(self) -> dict[str, str]:
        """Deployment → image asked for."""
        known = self.sandbox.cluster.deployments()
        return {name: next(iter(result.images.values())).ref for name, result in known.items()}

    def await_release(self) -> None:
        """Wait until the deployment begun last asks for its last image; it goes on after that."""
        deploying = self.started[-1].process
        wait_for(lambda: self.images()["admin-dashboard"] == "2.0.0" or deploying.poll() is not None)
        assert deploying.poll() is None, "the deployment has ended"


@pytest.fixture
def cli(sandbox: Sandbox, tmp_path: Path) -> Iterator[Cli]:
    """The command line on a sandbox at its beginning; nothing that it started goes on afterwards."""
    home = tmp_path / "told"
    home.mkdir()
    made = Cli(sandbox, home)
    yield made
    for going in made.started:
        going.process.kill()
        going.process.wait()


def test_deploy_takes_effect_and_is_all_there(cli: Cli) -> None:
    """Every step is told; the new version serves, workers run, maintenance is off, the report says how long it took."""
    code, report = cli.run("deploy", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"2.0.0"}), report[
        "message"
    ]
    keys = [step["key"] for step in report["steps"]]
    assert keys[:2] == ["preflight", "snapshot"]
    assert {"migrate", "endpoints", "pages", "smoke", "monitor", "prewarm.restore"} <= set(keys)
    assert 0 < report["downtime_seconds"] < report["seconds"]
    skipped = {step["key"] for step in report["steps"] if step["outcome"] == "skipped"}
    assert skipped == {"announce", "hook.after_migrate", "cache", "cdn", "report"}
    assert cli.sandbox.cluster.capacity(["deployment/payment-api", "deployment/job-worker"]) == {
        "deployment/payment-api": 2,
        "deployment/job-worker": 1,
    }
    assert "MAINTENANCE" not in cli.sandbox.cluster.settings("cart-runtime")
    assert cli.run("migrate", "verify")[0] == 0
    assert cli.run("smoke")[0] == 0


def test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again(
    cli: Cli,
) -> None:
    """Deploy, take all of it back, deploy again; rolling back twice is refused and changes nothing."""
    cli.deploy()
    code, report = cli.run("rollback", "--database", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
    steps = {step["key"]: step["outcome"] for step in report["steps"]}
    assert (steps["database"], steps["catalogue"]) == ("applied", "applied")
    assert cli.run("migrate", "verify")[0] == 7
    revisions = {name: result.revision for name, result in cli.sandbox.cluster.deployments().items()}
    code, error = cli.run("rollback", "--yes")
    assert (code, error["code"]) == (3, "already_reverted")
    assert {name: result.revision for name, result in cli.sandbox.cluster.deployments().items()} == revisions
    code, report = cli.run("deploy", "--yes")
    assert (code, report["outcome"]) == (0, "succeeded")


@long
def test_rows_stop_a_database_rollback_until_their_loss_is_allowed_and_are_saved(cli: Cli) -> None:
    """A cart in the tables: refused with the count, nothing changed; then dropped, with a dump of the rows."""
    cli.deploy()
    with cli.sandbox.superuser.session("test") as connection:
        connection.execute(
            """INSERT INTO carts (id, "companyId", "updatedAt") SELECT 'c' || n, 'avnz', now() FROM generate_series(1, 3) n"""
        )
    code, error = cli.run("rollback", "--database", "--yes")
    assert (code, error["kind"], set(cli.images().values())) == (3, "error", {"2.0.0"})
    assert "carts 3" in error["message"]
    code, _ = cli.run("rollback", "--database", "--yes", "--allow-data-loss")
    assert code == 0
    saved = list(cli.sandbox.state_directory.glob("environments/*/runs/*/rows/**/toc.dat"))
    assert len(saved) == 1


@pytest.mark.parametrize(
    "version",
    (
        "payments-down",
        pytest.param("errors", marks=(pytest.mark.faults, LONG)),
        pytest.param("crash", marks=(pytest.mark.faults, LONG)),
    ),
)
def test_a_broken_version_rolls_itself_back(cli: Cli, version: str) -> None:
    """Exit code 4: the old version serves, workers run, maintenance is off; the migration stays."""
    code, report = cli.run("deploy", "--yes", "--image", f"payment-api=2.0.0-{version}")
    assert (code, report["outcome"], set(cli.images().values())) == (4, "rolled_back", {"1.0.0"})
    assert cli.sandbox.api.get("/api/products").status == 200
    assert cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 1}
    assert cli.run("migrate", "verify")[0] == 0
    cli.deploy()


@long
def test_a_slow_version_is_seen_by_the_monitor(cli: Cli) -> None:
    """A p95 above its critical threshold for as long as the error rate may be turns the run back."""
    code, report = cli.run("deploy", "--yes", "--image", "payment-api=2.0.0-slow", CARTCTL_MONITOR__FOR="15s")
    assert (code, report["outcome"], set(cli.images().values())) == (4, "rolled_back", {"1.0.0"})
    assert "api_latency_p95" in report["message"]


@long
def test_without_automatic_rollback_the_code_stays_and_a_person_is_needed(cli: Cli) -> None:
    """Exit code 5 with the next command; workers run and maintenance is off."""
    code, report = cli.run(
        "deploy", "--yes", "--no-auto-rollback", "--image", "payment-api=2.0.0-payments-down"
    )
    assert (code, report["outcome"]) == (5, "failed")
    assert report["next_command"].startswith("cartctl rollback")
    assert cli.images()["payment-api"] == "2.0.0-payments-down"
    assert cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 1}
    assert (cli.run("rollback", "--yes")[0], set(cli.images().values())) == (0, {"1.0.0"})


def test_a_second_deployment_is_refused_while_one_runs_and_after_one_died(cli: Cli) -> None:
    """Exit 8 naming the living run; exit 3 naming the ways on after kill -9; then --resume ends it."""
    first = cli.start("deploy", "--yes", CARTCTL_MONITOR__FOR="60s")
    cli.await_release()
    code, error = cli.run("deploy", "--yes")
    assert (code, error["code"]) == (8, "locked")
    assert "pid" in error["message"]
    first.signal(signal.SIGKILL)
    assert first.end()[0] == -signal.SIGKILL
    code, error = cli.run("deploy", "--yes")
    assert (code, error["code"]) == (3, "refused")
    assert "--resume" in error["hint"]
    assert "--abandon" in error["hint"]
    code, report = cli.run("deploy", "--resume")
    assert (code, report["outcome"]) == (0, "succeeded")


@long
def test_ctrl_c_stops_between_steps_and_the_run_can_be_rolled_back(cli: Cli) -> None:
    """Exit 130 with both ways on; a rollback ends the run, and the next deployment is free."""
    process = cli.start("deploy", "--yes", CARTCTL_MONITOR__FOR="60s")
    cli.await_release()
    process.signal(signal.SIGINT)
    code, report = process.end()
    assert (code, report["outcome"]) == (130, "interrupted")
    assert "--resume" in report["next_command"]
    assert (cli.run("rollback", "--yes")[0], set(cli.images().values())) == (0, {"1.0.0"})
    cli.deploy()


@long
def test_a_living_run_hands_over_to_a_rollback(cli: Cli) -> None:
    """A rollback started elsewhere stops the deployment within seconds and takes it back."""
    process = cli.start("deploy", "--yes", CARTCTL_MONITOR__FOR="60s")
    cli.await_release()
    code, report = cli.run("rollback", "--yes")
    assert (process.end()[0], code, report["outcome"]) == (130, 0, "succeeded")
    assert set(cli.images().values()) == {"1.0.0"}
    assert cli.run("history")[1]["runs"][1]["outcome"] == "rolled_back"


def test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up(cli: Cli) -> None:
    """PostgreSQL is stopped: rollback takes the lease, puts the images back, and the journal knows of it later."""
    cli.deploy()
    EmbeddedPostgres(cli.sandbox.layout.postgres).stop()
    code, report = cli.run("rollback", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
    assert cli.run("deploy", "--yes")[0] == 2
    assert cli.run("sandbox", "up")[0] == 0
    cli.deploy()
    result = cli.run("history")[1]["runs"]
    assert [(run["plan"], run["outcome"]) for run in result[:2]] == [
        ("deploy", "succeeded"),
        ("rollback", "succeeded"),
    ]


@long
def test_another_machine_takes_the_code_back_from_what_the_cluster_keeps(cli: Cli, tmp_path: Path) -> None:
    """No database, and no local journal either: the evidence in the cluster is enough."""
    cli.deploy()
    EmbeddedPostgres(cli.sandbox.layout.postgres).stop()
    code, report = cli.run("rollback", "--yes", CARTCTL_STATE_DIR=str(tmp_path / "elsewhere"))
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})


@long
def test_a_rollback_from_a_copy_of_the_journal_needs_no_other_memory(cli: Cli, tmp_path: Path) -> None:
    """`--journal FILE` takes the images back with the database's journal gone."""
    cli.deploy()
    (file,) = cli.sandbox.state_directory.glob("environments/*/runs/*.ndjson")
    copy = tmp_path / "run.ndjson"
    copy.write_bytes(file.read_bytes())
    with cli.sandbox.superuser.session("test") as connection:
        connection.execute("DROP SCHEMA cartctl_journal CASCADE")
    code, _ = cli.run("rollback", "--yes", "--journal", str(copy))
    assert (code, set(cli.images().values())) == (0, {"1.0.0"})


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    (
        (("deploy", "--yes", "--image", "payment-api"), 2, "DEPLOYMENT=REF"),
        (("deploy", "--yes", "--image", "nobody=2.0.0"), 2, "nobody=2.0.0"),
        (("deploy", "--yes", "--image", "payment-api=9.9.9"), 3, "9.9.9"),
        (("deploy", "--yes", "--skip", "migrate", "--reason", "x"), 2, "can never be skipped"),
        (("deploy", "--yes", "--skip", "lunch", "--reason", "x"), 2, "unknown step 'lunch'"),
        (("deploy", "--yes", "--skip", "smok", "--reason", "x"), 2, "did you mean 'smoke'?"),
        (("deploy", "--yes", "--monitor-for", "long"), 2, "Invalid duration 'long'"),
        (("deploy", "--resume"), 3, "No unfinished run"),
        (("deploy", "--abandon", "r0"), 3, "Unfinished run not found: r0"),
        (("rollback", "--yes"), 3, "nothing to roll back"),
        (("rollback", "--yes", "--run", "r0"), 3, "Run not found: r0"),
        (("deploy",), 3, "without a terminal"),
    ),
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    cli: Cli, argv: tuple[str, ...], code: int, expected: str
) -> None:
    """The sentence says what was wrong, the exit code says whose turn it is, and the world stays as it was."""
    result, results = cli.run(*argv)
    assert (result, expected in results["message"]) == (code, True), results
    assert set(cli.images().values()) == {"1.0.0"}


def test_a_token_that_the_api_refuses_stops_the_run_before_anything(cli: Cli) -> None:
    """Preflight names the token, which stands nowhere in the output."""
    cli.sandbox.layout.token.write_text("wrong-token-123", encoding="utf-8")
    process = cli.start("deploy", "--yes")
    code, report = process.end()
    assert (code, "token" in report["message"]) == (3, True)
    for message in (process.out, process.out.with_suffix(".err")):
        assert "wrong-token-123" not in message.read_text(encoding="utf-8")
    assert set(cli.images().values()) == {"1.0.0"}


@long
def test_after_a_deployment_that_took_itself_back_a_rollback_leaves_the_version_that_serves(cli: Cli) -> None:
    """Exit 3, twice: the newest deployment reverted itself; the one in effect is named with its command, and goes only by its id."""
    cli.deploy()
    code, _ = cli.run("deploy", "--yes", "--image", "payment-api=2.0.0-payments-down")
    assert (code, set(cli.images().values())) == (4, {"2.0.0"})
    good = cli.run("history")[1]["runs"][1]["run"]
    for argv in (("--yes",), ("--plan",), ("--yes",)):
        code, error = cli.run("rollback", *argv)
        assert (code, error["code"], "by itself" in error["message"]) == (3, "already_reverted", True)
        assert f"cartctl rollback --run {good}" in error["hint"]
    assert set(cli.images().values()) == {"2.0.0"}
    assert cli.run("rollback", "--yes", "--run", good)[0] == 0
    assert set(cli.images().values()) == {"1.0.0"}
    code, error = cli.run("rollback", "--yes", "--run", good)
    assert (code, "No other deployment is in effect." in error["hint"]) == (3, True)


@long
def test_the_tables_go_with_the_code_of_every_deployment_since_they_were_made(cli: Cli) -> None:
    """Deploy, deploy a broken one that takes itself back, roll back with the database: code and tables are as before both."""
    cli.deploy()
    assert cli.run("deploy", "--yes", "--image", "payment-api=2.0.0-payments-down")[0] == 4
    code, shown = cli.run("rollback", "--database", "--plan")
    assert (code, len(shown["database"]["tables"])) == (0, 14)
    code, report = cli.run("rollback", "--database", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
    assert len(cli.run("migrate", "status")[1]["pending"]) == 3
    cli.deploy()


@long
def test_the_tables_stay_when_the_code_did_not_go_back(cli: Cli) -> None:
    """An old version that does not start stops that undo, and then the drop: exit 5, every table is there."""
    cli.deploy()
    (run,) = [run["run"] for run in cli.run("history")[1]["runs"]]
    first = cli.start("rollback", "--run", run, "--database", "--yes")
    wait_for(lambda: cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 0})
    cli.sandbox.cluster.set_images("payment-api", {"api": "2.0.0-slow"}, cause="somebody")
    code, report = first.end()
    assert (code, report["outcome"]) == (5, "failed")
    assert "database was left alone" in report["message"]
    assert cli.run("migrate", "verify")[0] == 0


@long
def test_an_image_that_somebody_else_set_is_refused_before_the_first_step(cli: Cli) -> None:
    """Exit 3, as `--plan` says: no other image has moved, workers run. The plan's values are the live ones."""
    cli.deploy()
    code, shown = cli.run("rollback", "--plan")
    moves = {move["name"]: (move["now"], move["then"]) for move in shown["images"]}
    assert (code, moves["payment-api.api"]) == (0, ("2.0.0", "1.0.0"))
    assert [row["note"] for row in shown["plan"]["rows"] if row["key"] == "maintenance.off"] == [
        "nothing to revert"
    ]
    cli.sandbox.cluster.set_images("payment-api", {"api": "2.0.0-slow"}, cause="somebody")
    wait_for(cli.sandbox.settled)
    code, shown = cli.run("rollback", "--plan")
    assert (code, "2.0.0-slow" in shown["plan"]["blocked"][0]) == (3, True)
    code, error = cli.run("rollback", "--yes")
    assert (code, "2.0.0-slow" in error["message"]) == (3, True)
    assert cli.images()["admin-dashboard"] == "2.0.0"
    assert cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 1}


@long
def test_a_rollback_that_failed_can_be_run_again(cli: Cli) -> None:
    """Workers that could not be started are started by the next one, to the number they had."""
    cli.deploy()
    first = cli.start("rollback", "--yes")
    wait_for(lambda: cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 0})
    cli.sandbox.cluster.set_capacity("deployment/job-worker", 3)
    assert first.end()[0] == 5
    cli.sandbox.cluster.set_capacity("deployment/job-worker", 0)
    code, _ = cli.run("rollback", "--yes")
    assert (code, cli.sandbox.cluster.capacity(["deployment/job-worker"])) == (
        0,
        {"deployment/job-worker": 1},
    )


@long
def test_a_database_that_takes_no_writes_locks_nobody_out(cli: Cli) -> None:
    """The database answers but is read-only: the code goes back under the cluster's lease."""
    cli.deploy()
    with cli.sandbox.superuser.session("test") as connection:
        connection.execute("ALTER DATABASE platform SET default_transaction_read_only = on")
    try:
        code, report = cli.run("rollback", "--yes")
    finally:
        with cli.sandbox.superuser.session("test", default_transaction_read_only="off") as connection:
            connection.execute("ALTER DATABASE platform RESET default_transaction_read_only")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})


@long
def test_the_next_command_after_an_end_before_any_change_is_no_rollback(cli: Cli) -> None:
    """It would take back the deployment before."""
    cli.deploy()
    code, report = cli.run("deploy", "--yes", "--image", "payment-api=9.9.9")
    assert (code, report["next_command"]) == (3, "cartctl preflight --env sandbox")


@long
def test_somebodys_scaling_during_monitoring_is_no_reason_to_go_back(cli: Cli) -> None:
    """The replicas that were scaled by hand are named and left, and so is the release."""
    process = cli.start("deploy", "--yes", CARTCTL_MONITOR__FOR="8s")
    cli.await_release()
    cli.sandbox.cluster.set_capacity("deployment/payment-api", 5)
    code, report = process.end()
    assert (code, report["outcome"], set(cli.images().values())) == (5, "failed", {"2.0.0"})
    assert "deployment/payment-api is 5" in report["message"]


def made_by_another_tool(cli: Cli) -> None:
    """The cart's tables, as the owner of the platform's makes them by hand."""
    with cli.sandbox.superuser.session("test", role=OWNER) as connection:
        for migration in MIGRATIONS:
            connection.execute(migration.up)


def test_tables_that_a_dba_made_by_themselves_are_rolled_back_too(cli: Cli) -> None:
    """After `migrate deploy` alone by its run or by itself; what another tool made and cartctl adopted is refused."""
    for which in ((), ("--run",)):
        assert cli.run("migrate", "deploy")[0] == 0
        made = cli.run("history")[1]["runs"][0]["run"]
        assert cli.run("rollback", *which, *([made] if which else ()), "--database", "--yes")[0] == 0
        assert len(cli.run("migrate", "status")[1]["pending"]) == 3
    made_by_another_tool(cli)
    assert cli.run("migrate", "adopt")[0] == 0
    adopted = cli.run("history")[1]["runs"][0]["run"]
    code, error = cli.run("rollback", "--run", adopted, "--database", "--yes")
    assert (code, "only a deployment can be rolled back" in error["message"]) == (3, True)
    code, error = cli.run("rollback", "--run", made, "--database", "--yes")
    assert (code, error["code"]) == (3, "already_reverted")
    assert cli.run("migrate", "verify")[0] == 0


@long
def test_tables_that_a_dba_made_go_with_the_deployments_on_them(cli: Cli) -> None:
    """After `migrate deploy` and a deployment on top of it, code and tables go together; adopted ones, and what was granted on them, stay."""
    assert cli.run("migrate", "deploy")[0] == 0
    cli.deploy()
    code, shown = cli.run("rollback", "--database", "--plan")
    assert (code, len(shown["database"]["tables"]), shown["database"]["warnings"]) == (0, 14, [])
    code, report = cli.run("rollback", "--database", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
    assert len(cli.run("migrate", "status")[1]["pending"]) == 3
    made_by_another_tool(cli)
    cli.deploy()
    code, error = cli.run("rollback", "--database", "--yes")
    assert (code, "cannot be undone here: ~ enum" in error["message"], error["message"].count("~")) == (
        3,
        True,
        5,
    )
    assert cli.run("rollback", "--yes")[0] == 0
