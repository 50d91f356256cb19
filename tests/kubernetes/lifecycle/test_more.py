"""The longer of the lifecycle tests on a cluster; `make faults` takes them."""

import os

import pytest

from tests.plans.test_lifecycle import (
    cli,
    test_a_broken_version_rolls_itself_back,
    test_a_living_run_hands_over_to_a_rollback,
    test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again,
    test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back,
    test_without_automatic_rollback_the_code_stays_and_a_person_is_needed,
)

__all__ = [
    "cli",
    "test_a_broken_version_rolls_itself_back",
    "test_a_living_run_hands_over_to_a_rollback",
    "test_a_rollback_with_the_database_leaves_the_catalogue_as_it_was_and_deploying_works_again",
    "test_ctrl_c_stops_between_steps_and_the_run_can_be_taken_back",
    "test_without_automatic_rollback_the_code_stays_and_a_person_is_needed",
]

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif("CARTCTL_FAULTS" not in os.environ, reason="minutes of deployments: make faults"),
]
