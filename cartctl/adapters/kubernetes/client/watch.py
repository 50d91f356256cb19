"""All objects of one kind in the namespace: one list, then one watch, however many are waited for.

While the watch is open, it provides the objects. After it broke, or the server has discarded its version (410), the next read is a
list again: unknown state is always requested, never assumed.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import EXPIRED, ClusterRefused
from cartctl.errors import CartctlError

STREAM = 60  # seconds after which the server ends a watch and a new one is opened
RELIST = 30.0  # seconds for which a watch is trusted without a new list
RETRY = 0.2  # seconds between two watches


class Collection:
    """The objects below `path`, by name. The watch begins with the second reading: a single one needs none."""

    def __init__(self, api: Api, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._path = path
        self._clock = clock
        self._items: dict[str, dict[str, Any]] = {}
        self._count = 0  # events and writes of our own
        self._updated: dict[str, int] = {}  # name → its latest event
        self._version = ""
        self._listed = -RELIST
        self._readings = 0
        self._live = threading.Event()
        self._has_version = threading.Event()  # there is a version to watch from
        self._closed = threading.Event()
        self._guard = threading.Lock()
        self._end_stream: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._follow, name=f"watch {path}", daemon=True)

    def items(self, *, fresh: bool = False) -> Mapping[str, dict[str, Any]]:
        """Every object as it is now; `fresh`: from a list even if the watch is open. Raises what a list raises."""
        if fresh or not (self._live.is_set() and self._clock() - self._listed < RELIST):
            self._list()
        with self._guard:  # the monitor's thread reads too
            self._readings += 1
            begins = self._readings == 2 and not self._closed.is_set()  # noqa: PLR2004 - the second
        if begins:
            self._thread.start()
        with self._guard:
            return dict(self._items)

    def put(self, item: dict[str, Any]) -> None:
        """Take over the response of cartctl's own write: the next read must not return an older spec.

        If the watch was faster, its event may be newer than the response, and is kept.
        """
        meta = item["metadata"]
        with self._guard:
            self._count_update(meta["name"])
            known = self._items.get(meta["name"])
            if known is None or _older(known["metadata"], meta):
                self._items[meta["name"]] = item

    def close(self) -> None:
        """End the watch."""
        self._closed.set()
        self._has_version.set()
        self._end_stream()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _list(self) -> None:
        with self._guard:
            began = self._count
        items, version = self._api.listing(self._path)
        with self._guard:
            self._items = self._merged({item["metadata"]["name"]: item for item in items}, began)
            self._listed = self._clock()
            if not self._live.is_set():
                self._version = version
        self._has_version.set()

    def _merged(self, listed: dict[str, dict[str, Any]], began: int) -> dict[str, dict[str, Any]]:
        """A list, merged with the events that arrived meanwhile, which will not be repeated.

        If the list was faster, an event is still to come; so only the spec must not become older.
        """
        for name in (name for name, at in self._updated.items() if at > began):
            known = self._items.get(name)
            if known is None:
                listed.pop(name, None)
            elif name not in listed or not _older(known["metadata"], listed[name]["metadata"]):
                listed[name] = known
        return listed

    def _count_update(self, name: str) -> None:
        self._count += 1
        self._updated[name] = self._count

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._has_version.wait()
            if self._closed.is_set():
                return
            try:
                self._watch()
            except ClusterRefused as refused:
                if refused.status == EXPIRED:
                    self._has_version.clear()  # the next read is a list, and provides a version
            except CartctlError:
                pass  # the next read is a list, and reports the error
            finally:
                self._live.clear()
            self._closed.wait(RETRY)

    def _watch(self) -> None:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(STREAM),
        }
        with self._api.stream(self._path, query, silence=STREAM + 5) as stream:
            self._end_stream = stream.end
            self._live.set()
            for line in _lines(stream.chunks):
                if self._closed.is_set():
                    return
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise ClusterRefused(
                        int(status.get("code", 0)),
                        str(status.get("reason", "")),
                        str(status.get("message", "")),
                    )
                self._take(event["type"], event["object"])

    def _take(self, kind: str, item: dict[str, Any]) -> None:
        meta = item["metadata"]
        with self._guard:
            self._version = meta.get("resourceVersion", self._version)
            if kind == "BOOKMARK":
                return
            self._count_update(meta["name"])
            known = self._items.get(meta["name"])
            if kind == "DELETED":
                if known is None or known["metadata"]["uid"] == meta["uid"]:
                    self._items.pop(meta["name"], None)
            elif known is None or not _older(meta, known["metadata"]):
                self._items[meta["name"]] = item


def _older(meta: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether an event has an outdated spec: a write's response may arrive before its event."""
    same = meta["uid"] == known["uid"]
    return same and int(meta.get("generation", 0)) < int(known.get("generation", 0))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Events, one per line, of any length. A truncated last one is skipped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
