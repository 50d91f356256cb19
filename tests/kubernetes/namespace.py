"""A namespace and cartctl's view of it, whatever cluster it is of."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.adapters.kubernetes.cluster import Kubernetes

Item = dict[str, Any]


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
            result = self.cluster.deployments().get(name)
            return result is not None and result.complete

        wait_until(settled, self.seconds)

    def create(self, group: str, resource: str, item: Item) -> None:
        """An object as a user creates it."""
        path = self.cluster.api.path(group, resource)
        version = "/".join(path.split("/")[2:4]) if path.startswith("/apis/") else "v1"
        self.cluster.api.send("POST", path, {**item, "apiVersion": version})

    def item(self, group: str, resource: str, name: str) -> Item:
        """An object as the server keeps it."""
        result: Item = self.cluster.api.get(self.cluster.api.path(group, resource, name))
        return result

    def patch(self, group: str, resource: str, name: str, patch: Item) -> None:
        """What somebody else does to an object."""
        path = self.cluster.api.path(group, resource, name)
        self.cluster.api.send("PATCH", path, patch, content=MERGE_PATCH)

    def delete(self, group: str, resource: str, name: str) -> None:
        """An object removed by somebody else."""
        self.cluster.api.send("DELETE", self.cluster.api.path(group, resource, name))

    def refs(self, name: str = "payment-api") -> dict[str, str]:
        """Container → image asked for."""
        return {one: image.ref for one, image in self.cluster.deployments()[name].images.items()}


class Nodes(Protocol):
    """Who plays the pods; the attributes are a test's to turn."""

    startup: float
    ending: float
    bad: dict[str, str]
    digests: dict[str, str]


@dataclass
class Played(Namespace):
    """A namespace whose pods are played by `nodes`, on whatever API server."""

    nodes: Nodes = field(kw_only=True)


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
