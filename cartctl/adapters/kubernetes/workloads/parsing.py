"""From the API server's JSON to a Deployment and a Pod. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cartctl.adapters.cluster import Deployment, Image, Obstacle, Pod

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
FINISHED = frozenset({"Succeeded", "Failed"})
Item = Mapping[str, Any]


def containers(template: Item) -> dict[str, str]:
    """Container → image reference, as a pod template or a pod asks for it; the containers that start first included."""
    spec = template["spec"]
    entries = [*(spec.get("initContainers") or []), *spec["containers"]]
    return {one["name"]: one.get("image", "") for one in entries}


def read_deployment(
    item: Item,
    *,
    failure: str | None,
    owner: tuple[str, str] | None,
    obstacles: tuple[Obstacle, ...] = (),
) -> Deployment:
    """A deployment's spec and status; `failure` and `owner` (name, the command that pauses it) come from the caller."""
    spec, status, meta = item["spec"], item.get("status") or {}, item["metadata"]
    name, pause = owner or (None, "")
    return Deployment(
        name=meta["name"],
        replicas=spec.get("replicas", 1),
        images={container: Image(ref) for container, ref in containers(spec["template"]).items()},
        revision=(meta.get("annotations") or {}).get(REVISION, ""),
        paused=bool(spec.get("paused")),
        observed=status.get("observedGeneration", 0) >= meta.get("generation", 0),
        total=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        failure=failure,
        owner=name,
        pause=pause,
        obstacles=obstacles,
        shape=shape(spec["template"]),
    )


def shape(template: Item) -> str:
    """A hash of everything in a pod template but its images, to see whether it was changed externally."""
    return hashlib.sha256(json.dumps(bare_template(template), sort_keys=True).encode()).hexdigest()[:16]


def bare_template(template: Item) -> dict[str, Any]:
    """A pod template without its images and without irrelevant fields.

    A restart by kubectl requests the same pods again. An old API server adds the template's creationTimestamp, which is null (seen
    with 1.20), and a new one does not (1.36). A replica set's template carries the hash that its controller added.
    """
    bare: dict[str, Any] = json.loads(json.dumps(template))
    for kind in ("containers", "initContainers"):
        for container in bare["spec"].get(kind) or []:
            container.pop("image", None)
    meta = bare.get("metadata") or {}
    meta.pop("creationTimestamp", None)
    (meta.get("labels") or {}).pop(HASH, None)
    annotations = meta.get("annotations") or {}
    annotations.pop(RESTARTED, None)
    if not annotations:
        meta.pop("annotations", None)
    return bare


def same_template(one: Item, other: Item) -> bool:
    """Whether two templates request the same pods, compared like the deployment controller does: without the hash."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: Item) -> Item:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def owned_by(item: Item, owner: Item) -> bool:
    """Whether `owner` controls `item`."""
    return any(
        reference["uid"] == owner["metadata"]["uid"]
        for reference in item["metadata"].get("ownerReferences") or []
        if reference.get("controller")
    )


def newest(deployment: Item, replica_sets: Iterable[Item]) -> Item | None:
    """The replica set of the deployment's current template: like the controller, the oldest that equals it."""
    own = [one for one in replica_sets if owned_by(one, deployment)]
    same = [one for one in own if same_template(one["spec"]["template"], deployment["spec"]["template"])]
    return min(same, key=lambda one: str(one["metadata"].get("creationTimestamp", "")), default=None)


def available_of_newest(deployment: Item, replica_sets: Iterable[Item]) -> int:
    """Available pods of the deployment's own template; a deployment's status counts those of every template."""
    replica_set = newest(deployment, replica_sets)
    return int((replica_set.get("status") or {}).get("availableReplicas", 0)) if replica_set else 0


def read_pod(item: Item, deployment: str, requested: Mapping[str, str]) -> Pod:
    """One replica as it runs; `asked` are the references that its replica set requests.

    A cluster may rewrite a pod's reference, for a mirror: the requested reference is the one that counts.
    """
    status = item.get("status") or {}
    statuses = _statuses(status)
    images = {
        name: Image(requested.get(name, ref), _digest(statuses.get(name, {}).get("imageID", "")))
        for name, ref in containers(item).items()
    }
    return Pod(
        name=item["metadata"]["name"],
        deployment=deployment,
        ready=is_ready(item),
        images=images,
        ending=is_ending(item),
        restarts=sum(one.get("restartCount", 0) for one in status.get("containerStatuses") or []),
        reason=next((reason for reason in map(waiting, statuses.values()) if reason), None),
    )


def is_ready(item: Item) -> bool:
    """Whether a Service would route requests to it."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions) and not is_ending(
        item
    )


def is_ending(item: Item) -> bool:
    """Whether it is terminating."""
    return "deletionTimestamp" in item["metadata"]


def is_finished(item: Item) -> bool:
    """Whether it has ended permanently: an evicted pod stays in the list for a long time."""
    return (item.get("status") or {}).get("phase") in FINISHED


def waiting(container: Item) -> str | None:
    """The kubelet's reason why a container waits."""
    reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
    return str(reason) if reason else None


def _statuses(status: Item) -> dict[str, Item]:
    kinds = ("initContainerStatuses", "containerStatuses")
    return {one["name"]: one for kind in kinds for one in status.get(kind) or []}


def _digest(image_id: str) -> str | None:
    """The digest of what runs: registries' images end in @sha256:…, those loaded onto a node are sha256:… alone."""
    _, at, digest = image_id.rpartition("@")
    candidate = digest if at else image_id.rpartition("://")[2]
    return candidate if candidate.startswith("sha256:") else None
