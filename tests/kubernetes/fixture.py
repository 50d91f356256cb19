"""A namespace to test against: the small API server with its controller, or a real cluster's (CARTCTL_TEST_KUBECONFIG).

On a real cluster each test session makes a namespace of its own and removes it; tests that turn the server itself are skipped.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.kubernetes.api import MERGE_PATCH
from cartctl.adapters.kubernetes.cluster import Kubernetes
from tests.kubernetes.controller import Controller
from tests.kubernetes.server import Server
from tests.kubernetes.store import Store

__all__ = ["Images", "Namespace", "Small", "deployment", "namespace", "small", "wait_until"]

Item = dict[str, Any]
REAL = "CARTCTL_TEST_KUBECONFIG"
PAUSE = "registry.k8s.io/pause"


def wait_until(what: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `what` gives something true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Images:
    """References that a place can run, and one that it cannot."""

    first: str = "acme/api:1"
    second: str = "acme/api:2"
    broken: str = "acme/api:broken"


@dataclass
class Namespace:
    """A namespace and cartctl's view of it. `seconds` is how long a rollout may take there."""

    name: str
    cluster: Kubernetes
    images: Images = Images()
    seconds: float = 20.0

    def deploy(self, name: str = "payment-api", *, replicas: int = 2, **meta: Any) -> None:
        """A deployment as a user applies it, and its rollout awaited."""
        self.create("apps/v1", "deployments", deployment(name, self.images.first, replicas, **meta))
        self.settle(name)

    def settle(self, name: str = "payment-api") -> None:
        """Wait until a deployment is complete."""

        def settled() -> bool:
            found = self.cluster.deployments().get(name)
            return found is not None and found.complete

        wait_until(settled, self.seconds)

    def create(self, group: str, resource: str, item: Item) -> None:
        """An object as a user creates it."""
        self.cluster.api.send("POST", self.cluster.api.path(group, resource), item)

    def item(self, group: str, resource: str, name: str) -> Item:
        """An object as the server keeps it."""
        found: Item = self.cluster.api.get(self.cluster.api.path(group, resource, name))
        return found

    def patch(self, group: str, resource: str, name: str, patch: Item) -> None:
        """What somebody else does to an object."""
        path = self.cluster.api.path(group, resource, name)
        self.cluster.api.send("PATCH", path, patch, content=MERGE_PATCH)

    def refs(self, name: str = "payment-api") -> dict[str, str]:
        """Container → image asked for."""
        return {one: image.ref for one, image in self.cluster.deployments()[name].images.items()}


@dataclass
class Small(Namespace):
    """The small server's namespace, with what a test may turn."""

    server: Server = field(default_factory=Server)
    controller: Controller = field(default_factory=lambda: Controller(Store()))
    kubeconfig: Path = Path()


def deployment(name: str, image: str, replicas: int, **meta: Any) -> Item:
    """A deployment with the fields that a server would have defaulted."""
    spec = {
        "containers": [{"name": "api", "image": image, "ports": [{"containerPort": 8080}]}],
        "volumes": [{"name": "settings", "configMap": {"name": "cart-runtime", "optional": True}}],
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **meta},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


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
        yield Small("production", cluster, server=server, controller=controller, kubeconfig=path)
    finally:
        cluster.close()
        controller.stop()
        server.stop()


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace of a real cluster where one was given, else the small server's."""
    kubeconfig = os.environ.get(REAL)
    if kubeconfig is None:
        found: Small = request.getfixturevalue("small")
        yield found
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", kubeconfig)
        name = f"cartctl-test-{secrets.token_hex(4)}"
        cluster = Kubernetes(os.environ.get(f"{REAL}_CONTEXT"), name)
        cluster.api.send(
            "POST",
            "/api/v1/namespaces",
            {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}},
        )
        try:
            yield Namespace(name, cluster, Images(f"{PAUSE}:3.9", f"{PAUSE}:3.10", f"{PAUSE}:no-such"), 180.0)
        finally:
            cluster.api.send("DELETE", f"/api/v1/namespaces/{name}")
            cluster.close()
