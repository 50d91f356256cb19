"""Tests that share something slow stay on one worker: pytest-xdist reads their groups from the ids that it has extended."""

import pytest

from tests.source import modules

__all__ = ["modules"]


def test_a_group_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    """With some versions of pytest and pytest-xdist together, groups are silently ignored."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("runs without workers")
    assert request.node.nodeid.endswith("@source")
