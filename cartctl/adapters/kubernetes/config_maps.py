"""ConfigMaps: single keys next to others' keys, and an annotation for the pods that mount them."""

import secrets
import time
from collections.abc import Mapping
from random import uniform
from typing import Any

from cartctl.adapters.cluster import refuse_changed_settings
from cartctl.adapters.effects import effect
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import CONFLICT, NOT_FOUND, ClusterRefused
from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.adapters.kubernetes.workloads.parsing import is_ending, is_finished

TOUCHED = "cartctl.io/touched"
RETRY_SECONDS = 30.0  # seconds of retries after conflicts
Item = Mapping[str, Any]


class Settings:
    """Implements the settings of the Cluster protocol over ConfigMaps."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, name: str) -> dict[str, str]:
        """The keys; empty if the ConfigMap does not exist. Read-only."""
        item = self._api.find(self._api.path("", "configmaps", name))
        return dict((item or {}).get("data") or {})

    def put(
        self,
        name: str,
        changes: Mapping[str, str | None],
        *,
        expected: Mapping[str, str | None] | None = None,
    ) -> None:
        """Write or (None) remove keys, and retry on fresh values after a conflict.

        Raises SettingsChanged if a key no longer has its `expected` value.
        """
        end = time.monotonic() + RETRY_SECONDS
        again = False
        while not self._put(name, changes, expected or {}, again=again, last=time.monotonic() >= end):
            again = True
            time.sleep(uniform(0.01, 0.1))  # noqa: S311 - jitter, not a secret

    def hasten(self, name: str) -> None:
        """Annotate every pod that mounts it: the kubelet then updates the volume now instead of within a minute."""
        pods, _ = self._api.listing(self._api.path("", "pods"))
        touch = {"metadata": {"annotations": {TOUCHED: secrets.token_hex(4)}}}
        for pod in pods:
            if mounts(pod, name) and not is_ending(pod) and not is_finished(pod):
                self._touch(pod["metadata"]["name"], touch)

    def _touch(self, pod: str, touch: Item) -> None:
        try:
            with effect("cluster.touch"):
                self._api.send("PATCH", self._api.path("", "pods", pod), touch, content=MERGE_PATCH)
        except ClusterRefused as refused:
            if refused.status != NOT_FOUND:  # it was deleted meanwhile; its successor reads the latest values
                raise

    def _put(
        self,
        name: str,
        changes: Mapping[str, str | None],
        expected: Mapping[str, str | None],
        *,
        again: bool,
        last: bool,
    ) -> bool:
        """One attempt; False after a conflict, or an error if it is the `last`.

        If the values are already set on a retry (`again`), the attempt whose response was lost wrote them.
        """
        path = self._api.path("", "configmaps", name)
        item = self._api.find(path)
        data = (item or {}).get("data") or {}
        pending = {key: value for key, value in changes.items() if data.get(key) != value}
        if not (again and not pending):
            refuse_changed_settings(name, data, expected)
        if not pending:
            return True
        try:
            with effect("cluster.put_settings"):
                if item is None:
                    self._create(name, pending)
                else:
                    meta = {"resourceVersion": item["metadata"]["resourceVersion"]}
                    self._api.send("PATCH", path, {"metadata": meta, "data": pending}, content=MERGE_PATCH)
        except ClusterRefused as refused:
            passing = {CONFLICT} if item is None else {CONFLICT, NOT_FOUND}
            if last or refused.status not in passing:
                raise
            return False
        return True

    def _create(self, name: str, data: Mapping[str, str | None]) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "cartctl"}},
            "data": data,
        }
        self._api.send("POST", self._api.path("", "configmaps"), body)


def mounts(pod: Item, name: str) -> bool:
    """Whether a pod has a ConfigMap among its volumes, by itself or as part of a projected one."""
    for volume in pod["spec"].get("volumes") or []:
        parts = [volume, *((volume.get("projected") or {}).get("sources") or [])]
        if any((part.get("configMap") or {}).get("name") == name for part in parts):
            return True
    return False
