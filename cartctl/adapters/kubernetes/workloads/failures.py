"""Why a release cannot complete, reported as soon as it is known. Decided from the current state; only times are remembered."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cartctl.adapters.kubernetes.workloads.parsing import is_ending, newest, owned_by, waiting

FATAL = frozenset({
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
})  # fmt: skip
GRACE = 20.0  # seconds: a node may be starting, and a quota becomes free while old pods end
Item = Mapping[str, Any]


class Failures:
    """Detects failures from which a release cannot recover. `clock` is seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def find(self, deployment: Item, replica_sets: Iterable[Item], pods: Iterable[Item]) -> str | None:
        """The reason, with its message; None while it may still complete. Only pods of the latest spec count."""
        status, meta = deployment.get("status") or {}, deployment["metadata"]
        if status.get("observedGeneration", 0) < meta.get("generation", 0):
            return None
        conditions = {one["type"]: one for one in status.get("conditions") or []}
        progressing = conditions.get("Progressing", {})
        if progressing.get("reason") == "ProgressDeadlineExceeded":
            return f"ProgressDeadlineExceeded: {progressing.get('message', '')}"
        newest_set = newest(deployment, replica_sets)
        own = [pod for pod in pods if newest_set and owned_by(pod, newest_set) and not is_ending(pod)]
        return self._of_pods(own) or self._of_creation(meta["uid"], conditions.get("ReplicaFailure", {}))

    def _of_pods(self, pods: Iterable[Item]) -> str | None:
        for pod in pods:
            status = pod.get("status") or {}
            for container in _containers(status):
                reason = waiting(container)
                if reason in FATAL:
                    return _describe(container, str(reason))
            if unscheduled := self._unscheduled(pod["metadata"]["uid"], status):
                return unscheduled
        return None

    def _unscheduled(self, uid: str, status: Item) -> str | None:
        conditions = {one["type"]: one for one in status.get("conditions") or []}
        placed = conditions.get("PodScheduled", {})
        stuck = placed.get("status") == "False" and placed.get("reason") == "Unschedulable"
        return f"Unschedulable: {placed.get('message', '')}" if self._lasts(uid, stuck=stuck) else None

    def _of_creation(self, uid: str, failure: Item) -> str | None:
        stuck = failure.get("status") == "True"
        message = f"{failure.get('reason', 'ReplicaFailure')}: {failure.get('message', '')}"
        return message if self._lasts(uid, stuck=stuck) else None

    def _lasts(self, uid: str, *, stuck: bool) -> bool:
        """Whether it has lasted longer than the grace period by the local clock: the cluster's may differ."""
        if not stuck:
            self._since.pop(uid, None)
            return False
        return self._clock() - self._since.setdefault(uid, self._clock()) >= GRACE


def _containers(status: Item) -> list[Item]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _describe(container: Item, reason: str) -> str:
    message = container["state"]["waiting"].get("message", "")
    ended = (container.get("lastState") or {}).get("terminated") or {}
    code = f" (exited with {ended['exitCode']})" if "exitCode" in ended else ""
    return f"{reason}: container {container['name']}{code}: {message}".rstrip(": ")
