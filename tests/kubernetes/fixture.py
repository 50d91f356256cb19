"""A namespace to test against: the small API server with its controller, or a real API server's (see `real.py`).

Tests that take `small` turn the small server itself. Those that take `namespace` run on any cluster, those that take `played`
wherever the pods are played.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartctl.adapters.kubernetes.cluster import Kubernetes
from tests.kubernetes.controller import Controller
from tests.kubernetes.namespace import Images, Namespace, Played, deployment, wait_until
from tests.kubernetes.node import Node
from tests.kubernetes.real import kubeconfig, node, plane, real_namespace
from tests.kubernetes.server import Server
from tests.kubernetes.store import Store

__all__ = [
    "Images",
    "Namespace",
    "Played",
    "Small",
    "deployment",
    "kubeconfig",
    "namespace",
    "node",
    "plane",
    "played",
    "small",
    "wait_until",
]


@dataclass
class Small(Played):
    """The small server's namespace, with what a test may turn."""

    server: Server = field(default_factory=Server)
    controller: Controller = field(default_factory=lambda: Controller(Store()))
    kubeconfig: Path = Path()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """A small server with the namespace `production`, its controller at work, and a kubeconfig for it."""
    server = Server()
    server.start()
    server.store.create("namespaces", "", {"metadata": {"name": "production"}})
    controller = Controller(server.store)
    controller.start()
    path = server.kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(path))
    cluster = Kubernetes(None, "production")
    try:
        yield Small(
            "production", cluster, nodes=controller, server=server, controller=controller, kubeconfig=path
        )
    finally:
        cluster.close()
        controller.stop()
        server.stop()


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, kubeconfig: Path | None, node: Node | None
) -> Iterator[Namespace]:
    """A namespace of a real cluster where one was given, else the small server's."""
    if kubeconfig is None:
        result: Small = request.getfixturevalue("small")
        yield result
        return
    with real_namespace(kubeconfig, node) as real:
        yield real


@pytest.fixture
def played(namespace: Namespace) -> Played:
    """A namespace whose pods are played, so that a test says how they end."""
    if not isinstance(namespace, Played):
        pytest.skip("the nodes of this cluster are real")
    return namespace
