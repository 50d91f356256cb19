"""What an API server keeps: objects with versions and generations, the events of their changes, patches.

Only what Kubernetes documents is kept to: no code may rely on anything else of it.
"""

import copy
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Item = dict[str, Any]
GENERATIONS = ("deployments", "replicasets", "cronjobs")  # kinds whose generation counts their specs


class ApiFault(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.headers = dict(headers or {})

    def as_status(self) -> Item:
        """As a Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }


@dataclass(frozen=True)
class Event:
    """One change: the version it made, the kind it is of, what happened."""

    version: int
    resource: str
    namespace: str
    type: str
    item: Item


class Store:
    """Objects by resource, namespace and name. `changed` is notified of every event."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.changed = threading.Condition(self.guard)
        self.version = 100
        self.oldest = 0  # versions before it are forgotten
        self.events: list[Event] = []
        self.items: dict[tuple[str, str], dict[str, Item]] = {}
        self.admit: Callable[[str, Item], None] = lambda _resource, _item: None

    def list(self, resource: str, namespace: str) -> list[Item]:
        """Copies of all objects of a kind, by name."""
        with self.guard:
            result = self.items.get((resource, namespace), {})
            return [copy.deepcopy(result[name]) for name in sorted(result)]

    def get(self, resource: str, namespace: str, name: str) -> Item:
        """A copy of one. Raises ApiFault 404."""
        with self.guard:
            result = self.items.get((resource, namespace), {}).get(name)
            if result is None:
                raise ApiFault(404, "NotFound", f'{resource} "{name}" not found')
            return copy.deepcopy(result)

    def create(self, resource: str, namespace: str, item: Item) -> Item:
        """A new object with the metadata that a server gives it. Raises ApiFault 409."""
        with self.guard:
            name = item["metadata"]["name"]
            if name in self.items.get((resource, namespace), {}):
                raise ApiFault(409, "AlreadyExists", f'{resource} "{name}" already exists')
            made = copy.deepcopy(item)
            made["metadata"] |= {
                "namespace": namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
            if resource in GENERATIONS:
                made["metadata"]["generation"] = 1
            return self._keep(resource, namespace, made, "ADDED")

    def update(self, resource: str, namespace: str, name: str, change: Callable[[Item], Item | None]) -> Item:
        """Change an object in place; what is the same afterwards is no change, a changed spec a new generation."""
        with self.guard:
            old = self.get(resource, namespace, name)
            work = copy.deepcopy(old)
            new = change(work) or work
            if new == old:
                return old
            self.admit(resource, new)
            if resource in GENERATIONS and new["spec"] != old["spec"]:
                new["metadata"]["generation"] = old["metadata"]["generation"] + 1
            return self._keep(resource, namespace, new, "MODIFIED")

    def delete(self, resource: str, namespace: str, name: str) -> None:
        """Remove an object. Raises ApiFault 404."""
        with self.guard:
            gone = self.get(resource, namespace, name)
            del self.items[resource, namespace][name]
            self._tell(resource, namespace, "DELETED", gone)

    def forget(self) -> None:
        """From now on no older version is known: a watch from one is told 410."""
        with self.guard:
            self.version += 1
            self.oldest = self.version
            self.events.clear()
            self.changed.notify_all()

    def _keep(self, resource: str, namespace: str, item: Item, kind: str) -> Item:
        self.items.setdefault((resource, namespace), {})[item["metadata"]["name"]] = item
        self._tell(resource, namespace, kind, item)
        return copy.deepcopy(item)

    def _tell(self, resource: str, namespace: str, kind: str, item: Item) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.events.append(Event(self.version, resource, namespace, kind, copy.deepcopy(item)))
        self.changed.notify_all()


def json_patch(item: Item, operations: list[Item]) -> Item:
    """RFC 6902's test, add, replace and remove. Raises ApiFault 422 as a server does: without a word of why."""
    for operation in operations:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        try:
            here: Any = item
            for part in parents:
                here = here[int(part)] if isinstance(here, list) else here[part]
            key: Any = int(last) if isinstance(here, list) else last
            if operation["op"] == "test":
                if here[key] != operation["value"]:
                    raise KeyError(key)  # noqa: TRY301 - as a path that is not there
            elif operation["op"] == "remove":
                del here[key]
            else:
                if operation["op"] == "replace":
                    here[key]
                here[key] = copy.deepcopy(operation["value"])
        except (KeyError, IndexError, TypeError) as failed:
            result = "the server rejected our request due to an error in our request"
            raise ApiFault(422, "Invalid", result) from failed
    return item


def merge_patch(item: Item, patch: Item) -> Item:
    """RFC 7386, with the resourceVersion as a precondition. Raises ApiFault 409."""
    expected = patch.get("metadata", {}).get("resourceVersion")
    if expected is not None and expected != item["metadata"]["resourceVersion"]:
        result = "the object has been modified; please apply your changes to the latest version and try again"
        raise ApiFault(409, "Conflict", result)
    _merge(item, patch)
    return item


def _merge(item: Item, patch: Item) -> None:
    for key, value in patch.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(item.get(key), dict):
                item[key] = {}
            _merge(item[key], value)
        else:
            item[key] = value
