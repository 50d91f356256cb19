"""The lifecycle tests of the sandbox, word for word, on a cluster."""

from tests.plans.test_lifecycle import (
    cli,
    test_a_broken_version_rolls_itself_back,
    test_a_living_run_hands_over_to_a_rollback,
    test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again,
    test_a_second_deployment_is_refused_while_one_runs_and_after_one_died,
    test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back,
    test_deploy_takes_effect_and_is_all_there,
    test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up,
    test_without_automatic_rollback_the_code_stays_and_a_person_is_needed,
)

__all__ = [
    "cli",
    "test_a_broken_version_rolls_itself_back",
    "test_a_living_run_hands_over_to_a_rollback",
    "test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again",
    "test_a_second_deployment_is_refused_while_one_runs_and_after_one_died",
    "test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back",
    "test_deploy_takes_effect_and_is_all_there",
    "test_with_the_database_gone_the_code_is_rolled_back_and_the_journal_caught_up",
    "test_without_automatic_rollback_the_code_stays_and_a_person_is_needed",
]
