"""Writes to objects that others may write at the same time: read, decide, write, and retry after a conflict.

A patch contains the version that it was based on. If that version is outdated, the server rejects it (409 for a merge patch, 422
without a reason for a `test` of JSON Patch), so a rejection is a conflict exactly when the object has a newer version.
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
RETRY_SECONDS = 30.0  # seconds of retries after conflicts


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
    """Patch an object with what `decide` returns for its latest state; None changes nothing. Returns the resulting object.

    `name` is the effect's. Raises UnknownDeployment if the object does not exist, ClusterRefused for an invalid patch and for
    endless conflicts.
    """
    end = clock() + RETRY_SECONDS
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
    """The JSON Patch operation that makes a patch apply to one version only."""
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
