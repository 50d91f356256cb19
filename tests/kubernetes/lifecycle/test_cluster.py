"""The lifecycle tests of the sandbox, word for word, on a cluster. The others of them stand in `test_more.py`."""

from tests.plans.test_lifecycle import (
    cli,
    test_a_second_deployment_is_refused_while_one_runs_and_after_one_died,
    test_deploy_takes_effect_and_is_all_there,
)

__all__ = [
    "cli",
    "test_a_second_deployment_is_refused_while_one_runs_and_after_one_died",
    "test_deploy_takes_effect_and_is_all_there",
]
