"""Writing what may be written by others at the same moment: read, decide, write; and again on a fresh reading.

A patch names the version it was decided on. Where that version is gone the server refuses (409 for a merge patch, 422 without
a word of why for a `test` of JSON Patch), so a refusal is a conflict exactly when the object has a newer version.
"""

import time
from collections.abc import Callable, Mapping
from random import uniform
from typing import Any

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.adapters.effects import effect
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import CONFLICT, INVALID, NOT_FOUND, ClusterRefused
from cartctl.adapters.kubernetes.client.transport import JSON_PATCH
from cartctl.errors import Refused

Item = Mapping[str, Any]
PATIENCE = 30.0  # seconds of retries after conflicts


def change(
    api: Api,
    path: str,
    decide: Callable[[Item], Any],
    *,
    name: str,
    content: str = JSON_PATCH,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Patch an object with what `decide` makes of its newest reading; None leaves it. Returns the object as it is then.

    `name` is the effect's. Raises UnknownDeployment when there is no such object, ClusterRefused for what is invalid and for
    conflicts without an end.
    """
    end = clock() + PATIENCE
    while True:
        now = read(api, path)
        patch = decide(now)
        if patch is None:
            return now
        try:
            with effect(name):
                changed: dict[str, Any] = api.send("PATCH", path, patch, content=content)
        except ClusterRefused as refused:
            if not _overtaken(api, path, now, refused) or clock() >= end:
                raise
            sleep(uniform(0.01, 0.1))  # noqa: S311 - jitter, not a secret
        else:
            return changed


def read(api: Api, path: str) -> dict[str, Any]:
    """Read an object. Raises UnknownDeployment if not found."""
    item: dict[str, Any] | None = api.find(path)
    if item is None:
        *_, kind, name = path.split("/")
        raise UnknownDeployment(
            f"{kind.removesuffix('s')} {name} not found in namespace {api.namespace}.",
            hint=f"See: kubectl get {kind} -n {api.namespace}",
        )
    return item


def at_version(item: Item) -> dict[str, Any]:
    """The JSON Patch operation that makes a patch count for one version alone."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": item["metadata"]["resourceVersion"]}


def refuse_paused(item: Item) -> None:
    """Raise Refused for a deployment that would accept the change but not release it."""
    if item["spec"].get("paused"):
        name = item["metadata"]["name"]
        raise Refused(
            f"Deployment {name} is paused.",
            hint=f"kubectl rollout resume deployment/{name} -n {item['metadata']['namespace']}",
        )


def _overtaken(api: Api, path: str, previous: Item, refused: ClusterRefused) -> bool:
    if refused.status == NOT_FOUND:
        return True  # deleted meanwhile: the next read reports it
    if refused.status not in {CONFLICT, INVALID}:
        return False
    newest = api.find(path)
    return newest is None or newest["metadata"]["resourceVersion"] != previous["metadata"]["resourceVersion"]
