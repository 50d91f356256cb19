"""What prevents the release of a deployment: its own state, its namespace, another kind, a missing permission."""

from collections.abc import Iterable, Mapping
from typing import Any

from cartctl.adapters.cluster import Deployment, Obstacle
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden
from cartctl.adapters.kubernetes.client.verbs import RELEASE, denied
from cartctl.adapters.kubernetes.workloads.parsing import is_ending

Item = Mapping[str, Any]
KINDS = {"statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
GRANT = "grant it: runbooks/kubernetes/role.yaml lists all verbs"


def own_obstacles(item: Item, owner: tuple[str, str] | None) -> tuple[Obstacle, ...]:
    """Obstacles in the deployment itself; `owner` is the tool that manages it, and the command that pauses that tool. Pure."""
    meta = item["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    obstacles = []
    if is_ending(item):
        hint = (
            f"see: kubectl get deployment {name} -n {namespace} -o yaml; once it is deleted, apply it again"
        )
        obstacles.append(Obstacle(name, "is being deleted", hint))
    if item["spec"].get("paused"):
        resume = f"kubectl rollout resume deployment/{name} -n {namespace}"
        obstacles.append(Obstacle(name, "is paused", resume))
    if owner:
        obstacles.append(Obstacle(name, f"belongs to {owner[0]}, which would revert the change", owner[1]))
    return tuple(obstacles)


def find_obstacles(api: Api, known: Mapping[str, Deployment], names: Iterable[str]) -> list[Obstacle]:
    """Everything that prevents a change of these deployments. Read-only."""
    deployments = list(names)
    obstacles = [*namespace_obstacles(api), *_forbidden(api)]
    for name in deployments:
        obstacles += known[name].obstacles if name in known else [_missing(api, name)]
    return obstacles


def namespace_obstacles(api: Api) -> list[Obstacle]:
    """Whether the namespace is terminating: nothing can be created in it any more, no pod either. Read-only."""
    try:
        item = api.find(f"/api/v1/namespaces/{api.namespace}")
    except ClusterForbidden:
        return []  # the permissions say so
    if item is None:
        return [Obstacle(f"namespace {api.namespace}", "does not exist", "set cluster.namespace")]
    if not is_ending(item) and (item.get("status") or {}).get("phase") != "Terminating":
        return []
    hint = f"see: kubectl get namespace {api.namespace} -o yaml; deploy to another namespace"
    return [Obstacle(f"namespace {api.namespace}", "is terminating", hint)]


def _forbidden(api: Api) -> list[Obstacle]:
    missing = denied(api, RELEASE)
    return [Obstacle("the role of cartctl", f"lacks {', '.join(missing)}", GRANT)] if missing else []


def _missing(api: Api, name: str) -> Obstacle:
    for resource, kind in KINDS.items():
        try:
            there = api.find(api.path("apps/v1", resource, name))
        except ClusterForbidden:
            continue
        if there is not None:
            return Obstacle(
                name,
                f"is a {kind}, not a Deployment",
                f"cartctl releases only Deployments; see: kubectl get {kind.lower()} {name} -n {api.namespace}",
            )
    hint = f"apply it again, or see: kubectl get deployments -n {api.namespace}"
    return Obstacle(name, "does not exist", hint)
