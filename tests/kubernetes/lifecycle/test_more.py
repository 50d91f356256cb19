"""The longer of the lifecycle tests on a cluster; `make faults` takes them."""

import os
import signal

import pytest

from cartctl.adapters.embedded_postgres import EmbeddedPostgres
from tests.kubernetes.lifecycle.bridge import NAMESPACE, Bridged
from tests.plans.test_lifecycle import (
    Cli,
    cli,
    test_a_broken_version_rolls_itself_back,
    test_a_living_run_hands_over_to_a_rollback,
    test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again,
    test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back,
    test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up,
    test_without_automatic_rollback_the_code_stays_and_a_person_is_needed,
)
from tests.sandbox_fixture import wait_for

__all__ = [
    "cli",
    "test_a_broken_version_rolls_itself_back",
    "test_a_living_run_hands_over_to_a_rollback",
    "test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again",
    "test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back",
    "test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up",
    "test_without_automatic_rollback_the_code_stays_and_a_person_is_needed",
]

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif("CARTCTL_FAULTS" not in os.environ, reason="minutes of deployments: make faults"),
]


def test_a_run_begun_with_force_owned_is_resumed_without_saying_so_again(cli: Cli, sandbox: Bridged) -> None:
    """A deployment that Helm keeps: refused without the option, released with it, and after kill -9 taken to its end."""
    sandbox.server.store.update(
        "deployments",
        NAMESPACE,
        "admin-dashboard",
        lambda item: item["metadata"].update(labels={"app.kubernetes.io/managed-by": "Helm"}),
    )
    code, report = cli.run("deploy", "--yes")
    assert (code, "kept by Helm" in report["message"]) == (3, True), report
    first = cli.start("deploy", "--yes", "--force-owned")
    wait_for(lambda: cli.images()["payment-api"] == "2.0.0", 60)
    first.signal(signal.SIGKILL)
    assert first.end()[0] == -signal.SIGKILL
    code, report = cli.run("deploy", "--resume")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"2.0.0"}), report


def _hand_lease_to(sandbox: Bridged, holder: str) -> None:
    sandbox.server.store.update(
        "leases", NAMESPACE, "cartctl", lambda item: item["spec"].update(holderIdentity=holder)
    )


def test_a_rollback_whose_lease_was_taken_stops_and_goes_on_later(cli: Cli, sandbox: Bridged) -> None:
    """The database is gone and another run takes the lease: exit code 5 naming it; run again it ends as always."""
    cli.deploy()
    EmbeddedPostgres(sandbox.layout.postgres).stop()
    first = cli.start("rollback", "--yes")
    wait_for(lambda: sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 0})
    _hand_lease_to(sandbox, "run R2 of bob@elsewhere")
    code, report = first.end()
    assert (code, report["outcome"]) == (5, "interrupted")
    assert "run R2 of bob@elsewhere holds it now" in report["message"]
    assert report["next_command"].startswith("cartctl rollback")
    assert "2.0.0" in cli.images().values()
    _hand_lease_to(sandbox, "")
    code, report = cli.run("rollback", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
