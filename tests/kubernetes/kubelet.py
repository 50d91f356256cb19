"""Plays the scheduler and the kubelet of a real API server that has no nodes: through the ordinary API, as they do.

Pods are bound to a node that is none, told to be ready, and removed when they were told to end. What runs in them is
nothing at all.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.adapters.kubernetes.workloads.parsing import is_ending, is_finished
from cartctl.errors import CartctlError
from tests.kubernetes.controller import status_of

Item = dict[str, Any]


@dataclass
class Kubelet:
    """Acts on the pods of one namespace each `every` seconds, on `node`. The other attributes are the small controller's."""

    api: Api
    node: str
    every: float = 0.05
    startup: float = 0.05  # seconds until a pod is ready
    ending: float = 0.05  # seconds until a pod that was told to end is gone
    bad: dict[str, str] = field(default_factory=dict)  # image → the reason its pods wait with
    digests: dict[str, str] = field(default_factory=dict)  # image → digest, where a tag has moved
    address: str = ""  # the address of all of its pods
    _thread: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _since: dict[str, float] = field(default_factory=dict)  # what was seen first at which time

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and close the connections."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self.api.access.close()

    def _run(self) -> None:
        while not self._ended.wait(self.every):
            with suppress(CartctlError):
                self.look()

    def look(self) -> None:
        """Act on every pod once."""
        for pod in self.api.listing(self.api.path("", "pods"))[0]:
            with suppress(CartctlError):  # gone, or changed, in between
                self._act(pod)

    def _act(self, pod: Item) -> None:
        meta = pod["metadata"]
        if is_ending(pod):
            if self._lasts(f"{meta['uid']} ending", self.ending):
                self.end(pod)
        elif not is_finished(pod) and self._lasts(meta["uid"], self.startup):
            expected = status_of(pod, self.bad, self.digests) | (
                {"podIP": self.address} if self.address else {}
            )
            if expected["containerStatuses"]:
                self.bind(pod)
            self.tell(pod, expected)

    def end(self, pod: Item) -> None:
        """Remove a pod that has ended."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        self.api.send("DELETE", self._path(pod), options)

    def tell(self, pod: Item, expected: Item) -> None:
        """Let a pod's status be so, unless it is."""
        if not _is_so(pod.get("status") or {}, expected):
            self.api.send("PATCH", self._path(pod, "status"), {"status": expected}, content=MERGE_PATCH)

    def bind(self, pod: Item) -> None:
        """Give a pod its node, unless it has one."""
        if not pod["spec"].get("nodeName"):
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": pod["metadata"]["name"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self.node},
            }
            self.api.send("POST", self._path(pod, "binding"), binding)

    def _path(self, pod: Item, below: str = "") -> str:
        return self.api.path("", "pods", pod["metadata"]["name"], below)

    def _lasts(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        return now - self._since.setdefault(what, now) >= seconds


@contextmanager
def playing(kubelet: Kubelet) -> Iterator[Kubelet]:
    """A kubelet at work."""
    kubelet.start()
    try:
        yield kubelet
    finally:
        kubelet.stop()


def _is_so(status: Item, expected: Item) -> bool:
    """Whether a pod has been told already: every field that is wanted is there, whatever else the server has added."""

    def covers(there: Any, request: Any) -> bool:
        if isinstance(request, dict):
            return isinstance(there, dict) and all(
                covers(there.get(key), value) for key, value in request.items()
            )
        if isinstance(request, list):
            return len(there or []) >= len(request) and all(map(covers, there or [], request))
        return bool(there == request)

    return covers(status, expected)
