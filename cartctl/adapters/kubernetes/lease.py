"""The cluster's own lock, a Lease, for the time that the database is gone.

As client-go does it: whoever sees the record unchanged for its whole duration, on the own clock, may take it; the clocks of
two machines are never compared.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from cartctl.adapters.effects import effect
from cartctl.adapters.kubernetes.answers import CONFLICT, ClusterRefused
from cartctl.adapters.kubernetes.api import MERGE_PATCH, Api
from cartctl.errors import CartctlError, Locked

GROUP, NAME = "coordination.k8s.io/v1", "cartctl"
DURATION = 15  # seconds that a dead holder keeps it
RENEW = 3.0
Item = Mapping[str, Any]


class Lease:
    """The Lease `cartctl` of a namespace."""

    def __init__(
        self,
        api: Api,
        *,
        duration: float = DURATION,
        renew: float = RENEW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._path = api.path(GROUP, "leases", NAME)
        self._duration = duration
        self._renew = renew
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def hold(self, holder: str) -> Iterator[None]:
        """Hold it, renewed from a thread of its own. Raises Locked naming the holder when somebody living has it."""
        self._take(holder)
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(holder, ended), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._free(holder)

    def _take(self, holder: str) -> None:
        first, since = self._api.find(self._path), self._clock()
        now = first
        while True:
            if now is None:
                if self._write(None, holder):
                    return
            elif not _held(now) or self._clock() - since >= self._duration:
                if self._write(now, holder):
                    return
            elif first is not None and _record(now) != _record(first):
                raise Locked(
                    f"{now['spec']['holderIdentity']} holds the cluster's lease, renewed {now['spec']['renewTime']}.",
                    hint="Wait for it, or end it.",
                )
            self._sleep(min(1.0, self._renew / 2))
            now = self._api.find(self._path)
            if first is None:
                first, since = now, self._clock()

    def _keep(self, holder: str, ended: threading.Event) -> None:
        while not ended.wait(self._renew):
            try:
                now = self._api.find(self._path)
                if now is None or now["spec"].get("holderIdentity") != holder:
                    return  # taken by somebody who saw it unchanged for its whole duration
                self._write(now, holder)
            except CartctlError:
                continue  # the next attempt comes within the duration, or it is free for others

    def _free(self, holder: str) -> None:
        try:
            now = self._api.find(self._path)
            if now is not None and now["spec"].get("holderIdentity") == holder:
                self._write(now, "")
        except CartctlError:
            return  # it falls by itself, after its duration

    def _write(self, seen: Item | None, holder: str) -> bool:
        """Write the record on the version that was seen; False when somebody else was quicker."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, int(self._duration)),
            "renewTime": stamp,
        }
        if seen is None or seen["spec"].get("holderIdentity") != holder:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = (seen["spec"].get("leaseTransitions") or 0) + 1 if seen else 0
        try:
            with effect("cluster.lease"):
                if seen is None:
                    meta = {"name": NAME}
                    body = {"apiVersion": GROUP, "kind": "Lease", "metadata": meta, "spec": spec}
                    self._api.send("POST", self._api.path(GROUP, "leases"), body)
                else:
                    version = {"resourceVersion": seen["metadata"]["resourceVersion"]}
                    self._api.send(
                        "PATCH", self._path, {"metadata": version, "spec": spec}, content=MERGE_PATCH
                    )
        except ClusterRefused as refused:
            if refused.status == CONFLICT:
                return False
            raise
        return True


def _held(lease: Item) -> bool:
    return bool(lease["spec"].get("holderIdentity"))


def _record(lease: Item) -> tuple[Any, Any]:
    return lease["spec"].get("holderIdentity"), lease["spec"].get("renewTime")
