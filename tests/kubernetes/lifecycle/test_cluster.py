"""The lifecycle test of the sandbox, word for word, on a cluster. The others stand in `test_more.py`."""

from tests.plans.test_lifecycle import cli, test_deploy_takes_effect_and_is_all_there

__all__ = ["cli", "test_deploy_takes_effect_and_is_all_there"]
