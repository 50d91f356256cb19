"""All objects of one kind in the namespace: one list, then one watch, however many are waited for.

While the watch stands the objects are known from it. Where it broke, or its version was forgotten by the server (410), the
next reading is a list again: what is not known is asked for, never remembered.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import EXPIRED, ClusterRefused
from cartctl.errors import CartctlError

STREAM = 60  # seconds after which the server ends a watch, and we begin another
RELIST = 30.0  # seconds that a watch is believed without a list
RETRY = 0.2  # seconds between two watches


class Collection:
    """The objects below `path`, by name. The watch begins with the second reading: a single one needs none."""

    def __init__(self, api: Api, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._path = path
        self._clock = clock
        self._items: dict[str, dict[str, Any]] = {}
        self._count = 0  # events and writes of our own
        self._updated: dict[str, int] = {}  # name → the last of them that was about it
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
        """Every object as it is now; `fresh`: by a list, though the watch stands. Raises what a list raises."""
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
        """What a write of our own answered: the next reading must not be of an older spec.

        Where the watch was quicker, what it told may be newer than the answer, and stays.
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
        """A list, and what was told while it was on its way: no event will tell that again.

        Where the list was the quicker one its event is still to come, so that only a spec must not become older.
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
                    self._has_version.clear()  # the next reading lists, and gives a version
            except CartctlError:
                pass  # the next reading lists, and tells
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
    """Whether an event tells of a spec that has been overtaken: a write's answer may come before its event."""
    same = meta["uid"] == known["uid"]
    return same and int(meta.get("generation", 0)) < int(known.get("generation", 0))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Events, one a line, of any length. A last one that was cut off is left out."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
