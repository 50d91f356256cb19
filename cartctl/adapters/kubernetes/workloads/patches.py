"""JSON Patches for pod templates: images by container name, and the template of an earlier revision. Pure."""

from collections.abc import Mapping
from typing import Any

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.adapters.kubernetes.client.guarded_write import at_version
from cartctl.adapters.kubernetes.workloads.parsing import HASH, REVISION, containers

Item = Mapping[str, Any]
CAUSE = "kubernetes.io/change-cause"
KINDS = ("containers", "initContainers")
PRESERVED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)  # fmt: skip - annotations that belong to the deployment; all others go back with the template, as kubectl does it


def image_patch(item: Item, images: Mapping[str, str], cause: str) -> list[dict[str, Any]] | None:
    """Set images by container name; None if they are already set. Raises UnknownDeployment for an unknown container."""
    name, there = item["metadata"]["name"], containers(item["spec"]["template"])
    if missing := sorted(set(images) - set(there)):
        raise UnknownDeployment(
            f"Deployment {name} has no container {', '.join(missing)}.",
            hint=f"Available: {', '.join(sorted(there))}.",
        )
    changed = {container: ref for container, ref in images.items() if there[container] != ref}
    if not changed:
        return None
    operations = [at_version(item)]
    for kind in KINDS:
        for at, container in enumerate(item["spec"]["template"]["spec"].get(kind) or []):
            if container["name"] in changed:
                place = f"/spec/template/spec/{kind}/{at}"
                operations += [
                    {"op": "test", "path": f"{place}/name", "value": container["name"]},
                    {"op": "replace", "path": f"{place}/image", "value": changed[container["name"]]},
                ]
    return [*operations, _cause(item, cause)]


def revision_patch(deployment: Item, replica_set: Item) -> list[dict[str, Any]]:
    """Restore a replica set's template and annotations, as `kubectl rollout undo --to-revision` does."""
    template = replica_set["spec"]["template"]
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    own = deployment["metadata"].get("annotations") or {}
    theirs = replica_set["metadata"].get("annotations") or {}
    annotations = {key: value for key, value in own.items() if key in PRESERVED}
    annotations |= {key: value for key, value in theirs.items() if key not in PRESERVED}
    return [
        at_version(deployment),
        {
            "op": "replace",
            "path": "/spec/template",
            "value": {**template, "metadata": {**meta, "labels": labels}},
        },
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]


def _cause(item: Item, cause: str) -> dict[str, Any]:
    if item["metadata"].get("annotations") is None:
        return {"op": "add", "path": "/metadata/annotations", "value": {CAUSE: cause}}
    return {"op": "add", "path": f"/metadata/annotations/{CAUSE.replace('/', '~1')}", "value": cause}
