"""The kill matrix of the sandbox on a cluster: `make faults` takes every point, CARTCTL_FAULTS=7 or 2/3 some of them."""

import os

import pytest

from tests.faults.test_kill_matrix import (
    deployer,
    test_killed_anywhere_a_deployment_is_rolled_back_from_its_journal,
    test_killed_anywhere_a_deployment_resumes_to_the_same_end,
    test_killed_anywhere_a_rollback_goes_on,
    undisturbed,
)

__all__ = [
    "deployer",
    "test_killed_anywhere_a_deployment_is_rolled_back_from_its_journal",
    "test_killed_anywhere_a_deployment_resumes_to_the_same_end",
    "test_killed_anywhere_a_rollback_goes_on",
    "undisturbed",
]

pytestmark = pytest.mark.skipif("CARTCTL_FAULTS" not in os.environ, reason="hours of kills: make faults")
