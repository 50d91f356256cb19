"""The cluster's lock, a Lease, for when the database is unreachable.

As in client-go, a process may take the Lease after it has seen the record unchanged for the Lease's whole duration by its
own clock; the clocks of two machines are never compared. It is renewed in the background, and `confirm` checks with the
server before each step.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from cartctl.adapters.cluster import LEASE
from cartctl.adapters.effects import effect
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import CONFLICT, ClusterRefused
from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.errors import CartctlError, Locked, LockLost, LockUnknown

GROUP = "coordination.k8s.io/v1"
DURATION = 15  # seconds until a crashed holder loses it
RENEW = 3.0
Item = Mapping[str, Any]


class Lease:
    """A Lease of a namespace."""

    def __init__(
        self,
        api: Api,
        *,
        name: str = LEASE,
        duration: float = DURATION,
        renew: float = RENEW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._name = name
        self._path = api.path(GROUP, "leases", name)
        self._duration = duration
        self._renew = renew
        self._clock = clock
        self._sleep = sleep
        self._holder = ""
        self._renewed = -duration

    @contextmanager
    def hold(self, holder: str) -> Iterator[Self]:
        """Hold it, renewed in a separate thread. Raises Locked, naming the holder, if another running process holds it.

        `holder` identifies one process: another process that continues the same run is a different holder.
        """
        self._take(holder)
        self._holder = holder
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(holder, ended), name="lease", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
            self._free(holder)

    def confirm(self) -> None:
        """Check with the server who holds it; an overdue renewal is done now, on the version that was read.

        So an outage longer than the lease's duration does not end the run, unless another process took the lease meanwhile.
        Raises LockLost naming the new holder, LockUnknown if the server does not respond.
        """
        try:
            while not self._is_ours():
                continue  # the thread renewed it between this read and this write
        except LockLost:
            raise
        except CartctlError as silent:
            raise LockUnknown(
                f"Cannot determine whether {self._holder} still holds the cluster's lease: {silent.message}",
                hint=silent.hint,
            ) from silent

    def _is_ours(self) -> bool:
        """False if the check must be repeated. Raises LockLost."""
        now = self._api.find(self._path)
        holder = now["spec"].get("holderIdentity") if now else None
        if now is None or holder != self._holder:
            raise LockLost(
                f"{self._holder} has lost the cluster's lease: {holder or 'nobody'} holds it now.",
                hint="Wait for that run to finish, then run the command again: it continues from the journal.",
            )
        fresh = self._clock() - self._renewed < self._duration / 2
        return fresh or self._write(now, self._holder)

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
                    hint="Wait for it to end, or stop it.",
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
                    return  # taken by a process that saw it unchanged for its whole duration
                self._write(now, holder)
            except CartctlError:
                continue  # the next attempt is within the duration; otherwise others may take it

    def _free(self, holder: str) -> None:
        try:
            now = self._api.find(self._path)
            if now is not None and now["spec"].get("holderIdentity") == holder:
                self._write(now, "")
        except CartctlError:
            return  # it expires after its duration

    def _write(self, current: Item | None, holder: str) -> bool:
        """Write the record on the version that was read; False after a conflict."""
        began, stamp = self._clock(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, int(self._duration)),
            "renewTime": stamp,
        }
        if current is None or current["spec"].get("holderIdentity") != holder:
            spec["acquireTime"] = stamp
            spec["leaseTransitions"] = (current["spec"].get("leaseTransitions") or 0) + 1 if current else 0
        try:
            with effect("cluster.lease"):
                if current is None:
                    meta = {"name": self._name}
                    body = {"apiVersion": GROUP, "kind": "Lease", "metadata": meta, "spec": spec}
                    self._api.send("POST", self._api.path(GROUP, "leases"), body)
                else:
                    version = {"resourceVersion": current["metadata"]["resourceVersion"]}
                    self._api.send(
                        "PATCH", self._path, {"metadata": version, "spec": spec}, content=MERGE_PATCH
                    )
        except ClusterRefused as refused:
            if refused.status == CONFLICT:
                return False
            raise
        self._renewed = began
        return True


def _held(lease: Item) -> bool:
    return bool(lease["spec"].get("holderIdentity"))


def _record(lease: Item) -> tuple[Any, Any]:
    return lease["spec"].get("holderIdentity"), lease["spec"].get("renewTime")
