"""The other lifecycle tests on a cluster, but for those of images that the sandbox lacks; `make faults` takes them."""

import os
import signal

import pytest

from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from tests.kubernetes.lifecycle.external_writer import patch
from tests.plans.test_lifecycle import (
    Cli,
    cli,
    test_a_broken_version_rolls_itself_back,
    test_a_database_that_takes_no_writes_locks_nobody_out,
    test_a_living_run_hands_over_to_a_rollback,
    test_a_rollback_from_a_copy_of_the_journal_needs_no_other_memory,
    test_a_rollback_that_failed_can_be_run_again,
    test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again,
    test_a_second_deployment_is_refused_while_one_runs_and_after_one_died,
    test_a_slow_version_is_seen_by_the_monitor,
    test_a_token_that_the_api_refuses_stops_the_run_before_anything,
    test_after_a_deployment_that_took_itself_back_a_rollback_leaves_the_version_that_serves,
    test_another_machine_takes_the_code_back_from_what_the_cluster_keeps,
    test_ctrl_c_stops_between_steps_and_the_run_can_be_rolled_back,
    test_rows_stop_a_database_rollback_until_their_loss_is_allowed_and_are_saved,
    test_somebodys_scaling_during_monitoring_is_no_reason_to_go_back,
    test_the_tables_go_with_the_code_of_every_deployment_since_they_were_made,
    test_the_tables_stay_when_the_code_did_not_go_back,
    test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up,
    test_without_automatic_rollback_the_code_stays_and_a_person_is_needed,
)
from tests.sandbox_fixture import wait_for

__all__ = [
    "cli",
    "test_a_broken_version_rolls_itself_back",
    "test_a_database_that_takes_no_writes_locks_nobody_out",
    "test_a_living_run_hands_over_to_a_rollback",
    "test_a_rollback_from_a_copy_of_the_journal_needs_no_other_memory",
    "test_a_rollback_that_failed_can_be_run_again",
    "test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again",
    "test_a_second_deployment_is_refused_while_one_runs_and_after_one_died",
    "test_a_slow_version_is_seen_by_the_monitor",
    "test_a_token_that_the_api_refuses_stops_the_run_before_anything",
    "test_after_a_deployment_that_took_itself_back_a_rollback_leaves_the_version_that_serves",
    "test_another_machine_takes_the_code_back_from_what_the_cluster_keeps",
    "test_ctrl_c_stops_between_steps_and_the_run_can_be_rolled_back",
    "test_rows_stop_a_database_rollback_until_their_loss_is_allowed_and_are_saved",
    "test_somebodys_scaling_during_monitoring_is_no_reason_to_go_back",
    "test_the_tables_go_with_the_code_of_every_deployment_since_they_were_made",
    "test_the_tables_stay_when_the_code_did_not_go_back",
    "test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up",
    "test_without_automatic_rollback_the_code_stays_and_a_person_is_needed",
]

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif("CARTCTL_FAULTS" not in os.environ, reason="minutes of deployments: make faults"),
]


def test_a_run_begun_with_force_owned_is_resumed_without_saying_so_again(cli: Cli) -> None:
    """A deployment that Helm keeps: refused without the option, released with it, and after kill -9 taken to its end."""
    helm = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    patch("apps/v1", "deployments", "admin-dashboard", helm)
    code, report = cli.run("deploy", "--yes")
    assert (code, "belongs to Helm" in report["message"]) == (3, True), report
    first = cli.start("deploy", "--yes", "--force-owned")
    wait_for(lambda: cli.images()["payment-api"] == "2.0.0")
    first.signal(signal.SIGKILL)
    assert first.end()[0] == -signal.SIGKILL
    code, report = cli.run("deploy", "--resume")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"2.0.0"}), report


def _hand_lease_to(holder: str) -> None:
    patch("coordination.k8s.io/v1", "leases", "cartctl", {"spec": {"holderIdentity": holder}})


def test_a_rollback_whose_lease_was_taken_stops_and_goes_on_later(cli: Cli) -> None:
    """The database is gone and another run takes the lease: exit code 5 naming it; run again it ends as always."""
    cli.deploy()
    EmbeddedPostgres(cli.sandbox.layout.postgres).stop()
    first = cli.start("rollback", "--yes")
    wait_for(lambda: cli.sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 0})
    _hand_lease_to("run R2 of bob@elsewhere")
    code, report = first.end()
    assert (code, report["outcome"]) == (5, "interrupted")
    assert "run R2 of bob@elsewhere holds it now" in report["message"]
    assert report["next_command"].startswith("cartctl rollback")
    assert "2.0.0" in cli.images().values()
    _hand_lease_to("")
    code, report = cli.run("rollback", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
