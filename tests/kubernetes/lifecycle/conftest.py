"""The sandbox of these tests stands behind a Kubernetes API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.lifecycle.bridge import Bridged, bridged
from tests.sandbox_fixture import Sandbox, sandbox_session
from tests.sandbox_fixture import sandbox as plain_sandbox

__all__ = ["plain_sandbox", "sandbox_session"]


@pytest.fixture
def sandbox(plain_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridged]:
    """The session's sandbox, reached as a cluster."""
    made = bridged(plain_sandbox, tmp_path, monkeypatch)
    yield made
    made.bridge.stop()
    made.server.stop()
