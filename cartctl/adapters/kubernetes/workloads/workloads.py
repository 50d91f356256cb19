"""Deployments and their pods: read from one watch per kind, changed by guarded patches."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from cartctl.adapters.cluster import Deployment, Obstacle, Pod
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.guarded_write import change, read, refuse_paused
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden
from cartctl.adapters.kubernetes.client.watch import Collection
from cartctl.adapters.kubernetes.workloads.failures import Failures
from cartctl.adapters.kubernetes.workloads.obstacles import find_obstacles, own_obstacles
from cartctl.adapters.kubernetes.workloads.owners import find_owner
from cartctl.adapters.kubernetes.workloads.parsing import (
    available_of_newest,
    containers,
    is_finished,
    owned_by,
    read_deployment,
    read_pod,
)
from cartctl.adapters.kubernetes.workloads.patches import image_patch
from cartctl.adapters.kubernetes.workloads.quotas import shortages, surge
from cartctl.adapters.kubernetes.workloads.templates import APPS, Templates
from cartctl.errors import ConfigError

AUTOSCALING = "autoscaling/v2"
OWNERS_LAST = 30.0  # seconds for which the autoscalers' list is cached, when only owners are needed
Item = Mapping[str, Any]


class Workloads:
    """The namespace's deployments. `force_owned` ignores owners: a person has paused them."""

    def __init__(
        self, api: Api, *, force_owned: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._force_owned = force_owned
        self._clock = clock
        self._deployments = Collection(api, api.path(APPS, "deployments"), clock=clock)
        self._replica_sets = Collection(api, api.path(APPS, "replicasets"), clock=clock)
        self._pods = Collection(api, api.path("", "pods"), clock=clock)
        self.templates = Templates(api, self._deployments.put, clock=clock)
        self._failures = Failures(clock)
        self._autoscalers: tuple[float, list[dict[str, Any]]] = (-OWNERS_LAST, [])

    def close(self) -> None:
        """End the watches."""
        for collection in (self._deployments, self._replica_sets, self._pods):
            collection.close()

    def deployments(self, *, fresh: bool = False) -> dict[str, Deployment]:
        """Every deployment by name. Raises ConfigError for a namespace that does not exist. Read-only."""
        items = self._deployments.items(fresh=fresh)
        if not items:
            self._require_namespace()
        return {name: self._read(item) for name, item in items.items()}

    def pods(self, deployment: str) -> list[Pod]:
        """A deployment's current pods, terminating ones included. Read-only."""
        owner = read(self._api, self._path(deployment))
        return [self._pod(item, owner, sets) for item, sets in self.raw_pods(owner)]

    def raw_pods(self, deployment: Item) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each pod of a deployment that has not ended, with its replica set, from lists and not from the watch."""
        query = {"labelSelector": selector(deployment["spec"]["selector"])}
        sets, _ = self._api.listing(self._api.path(APPS, "replicasets"), query)
        pods, _ = self._api.listing(self._api.path("", "pods"), query)
        own = [one for one in sets if owned_by(one, deployment)]
        return [(pod, one) for pod in pods if not is_finished(pod) for one in own if owned_by(pod, one)]

    def running(self, deployment: str) -> int:
        """Pods that still exist; at least 1 while the controller has not seen the latest size. Read-only."""
        item = read(self._api, self._path(deployment))
        status = item.get("status") or {}
        observed = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        return max(len(self.raw_pods(item)), int(status.get("replicas", 0)), 0 if observed else 1)

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Set images. Raises UnknownDeployment, and Refused for a paused deployment."""

        def decide(item: Item) -> Any:
            patch = image_patch(item, images, cause)
            if patch:
                refuse_paused(item)
            return patch

        self._deployments.put(
            change(self._api, self._path(deployment), decide, name="cluster.set_images", clock=self._clock)
        )

    def scale(self, deployment: str, size: int) -> None:
        """Set a size; concurrent writes to the deployment do not conflict."""
        path = self._path(deployment)
        patch = [{"op": "replace", "path": "/spec/replicas", "value": size}]
        self._deployments.put(
            change(
                self._api,
                path,
                lambda item: None if item["spec"]["replicas"] == size else patch,
                name="cluster.scale",
            )
        )

    def size(self, deployment: str) -> int:
        """The requested size. Read-only."""
        return int(read(self._api, self._path(deployment))["spec"]["replicas"])

    def obstacles(self, names: Iterable[str]) -> list[Obstacle]:
        """What would prevent a release of these deployments. Read-only."""
        items = self._deployments.items(fresh=True)
        return find_obstacles(self._api, {name: self._read(item) for name, item in items.items()}, names)

    def shortages(self, more: Mapping[str, int], released: Iterable[str]) -> list[str]:
        """What the quotas lack for `more` replicas of deployments and for a release of some at once. Read-only."""
        items = self._deployments.items()
        pods = {name: count for name, count in more.items() if name in items}
        for name in released:
            if name in items:
                replicas = items[name]["spec"].get("replicas", 1) + more.get(name, 0)
                pods[name] = pods.get(name, 0) + surge(items[name], replicas)
        return shortages(self._api, [(items[name], count) for name, count in pods.items()])

    def _path(self, deployment: str) -> str:
        return self._api.path(APPS, "deployments", deployment)

    def _read(self, item: Item) -> Deployment:
        owner = self._owner(item)
        deployment = read_deployment(item, failure=None, owner=owner, obstacles=own_obstacles(item, owner))
        if deployment.complete:
            return deployment
        sets = self._replica_sets.items().values()
        failure = self._failures.find(item, sets, self._pods.items().values())
        return replace(deployment, failure=failure, available=available_of_newest(item, sets))

    def _owner(self, item: Item) -> tuple[str, str] | None:
        return None if self._force_owned else find_owner(item, self._known_autoscalers())

    def _known_autoscalers(self) -> list[dict[str, Any]]:
        at, known = self._autoscalers
        if self._clock() - at >= OWNERS_LAST:
            try:
                known, _ = self._api.listing(self._api.path(AUTOSCALING, "horizontalpodautoscalers"))
            except ClusterForbidden:
                known = []  # preflight reports the missing verb
            self._autoscalers = (self._clock(), known)
        return known

    def _require_namespace(self) -> None:
        """A list in a nonexistent namespace is empty, not an error."""
        try:
            namespace = self._api.find(f"/api/v1/namespaces/{self._api.namespace}")
        except ClusterForbidden:
            return
        if namespace is None:
            raise ConfigError(
                f"Namespace {self._api.namespace} not found.",
                hint="Set cluster.namespace to an existing namespace.",
            )

    @staticmethod
    def _pod(item: Item, deployment: Item, replica_set: Item) -> Pod:
        return read_pod(item, deployment["metadata"]["name"], containers(replica_set["spec"]["template"]))


def selector(specification: Item) -> str:
    """A label selector as a query takes it."""
    parts = [f"{key}={value}" for key, value in (specification.get("matchLabels") or {}).items()]
    for one in specification.get("matchExpressions") or []:
        key, values = one["key"], ",".join(one.get("values") or [])
        written = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(written.get(one["operator"], f"!{key}"))
    return ",".join(parts)
