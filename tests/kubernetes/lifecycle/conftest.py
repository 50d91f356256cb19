"""The sandbox of these tests stands behind a Kubernetes API: the small one, or a real one where it was given.

A real one reaches its pods at `CARTCTL_TEST_POD_ADDRESS` and the addresses that follow it (see `tests/kubernetes/test_proxy.py`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.lifecycle.bridge import bridged
from tests.kubernetes.lifecycle.real_bridge import real_bridged
from tests.kubernetes.node import Node
from tests.kubernetes.test_proxy import ADDRESS
from tests.sandbox_fixture import Sandbox, sandbox_session
from tests.sandbox_fixture import sandbox as plain_sandbox

__all__ = ["plain_sandbox", "sandbox_session"]


@pytest.fixture
def sandbox(
    plain_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig: Path | None,
    node: Node | None,
) -> Iterator[Sandbox]:
    """The session's sandbox, reached as a cluster."""
    first = os.environ.get(ADDRESS)
    if kubeconfig is not None and node is not None and first is not None:
        with real_bridged(plain_sandbox, kubeconfig, node, first, tmp_path, monkeypatch) as real:
            yield real
        return
    made = bridged(plain_sandbox, tmp_path, monkeypatch)
    yield made
    made.bridge.stop()
    made.server.stop()
