"""Why a release takes so long: each pod of the new template that is not ready, with its reason and the failing probe."""

from collections.abc import Iterator, Mapping
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden, ClusterRefused
from cartctl.adapters.kubernetes.workloads.parsing import HASH, is_ending, is_ready, waiting

SHOWN = 3  # pods: the others fail alike
Item = Mapping[str, Any]


def unready_pods(api: Api, pods: list[dict[str, Any]], template: str) -> list[str]:
    """One line for each pod of the replica set with that hash that is not ready, at most three. Read-only."""
    new = [pod for pod in pods if _hash(pod) == template and not is_ending(pod)]
    if not new:
        return ["no pod of the new revision has been created"]
    unready = [pod for pod in new if not is_ready(pod)]
    lines = [f"pod {pod['metadata']['name']}: {'; '.join(_reasons(api, pod))}" for pod in unready[:SHOWN]]
    left = len(unready) - SHOWN
    return [*lines, f"and {left} more pods that are not ready"] if left > 0 else lines


def _reasons(api: Api, pod: Item) -> list[str]:
    status = pod.get("status") or {}
    reasons = [*_unscheduled(status), *_containers(status)]
    probe = _failed_probe(api, pod)
    return [*reasons, *([probe] if probe else [])] or [f"not ready, phase {status.get('phase', 'unknown')}"]


def _unscheduled(status: Item) -> Iterator[str]:
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one["status"] == "False":
            yield f"{one.get('reason', 'not scheduled')}: {one.get('message', '')}".rstrip(": ")


def _containers(status: Item) -> Iterator[str]:
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = one.get("state") or {}
        ended = state.get("terminated") or {}
        if one.get("ready") or ended.get("exitCode") == 0:
            continue
        restarts = f", {one['restartCount']} restarts" if one.get("restartCount") else ""
        if reason := waiting(one):
            message = (state["waiting"].get("message") or "").strip()
            yield f"container {one['name']}: {reason}{restarts}{f': {message}' if message else ''}"
        elif ended:
            yield f"container {one['name']} exited with {ended.get('exitCode')}{restarts}"
        else:
            yield f"container {one['name']} is running but not ready{restarts}"


def _failed_probe(api: Api, pod: Item) -> str:
    """The kubelet's latest message about a probe, which only the pod's events contain."""
    meta = pod["metadata"]
    query = {"fieldSelector": f"involvedObject.uid={meta['uid']},reason=Unhealthy"}
    try:
        events, _ = api.listing(api.path("", "events"), query)
    except (ClusterForbidden, ClusterRefused, ClusterUnreachable):
        return ""  # an error here must not hide the other reasons
    newest = max(events, key=_at, default=None)
    return " ".join(str(newest.get("message", "")).split()) if newest else ""


def _at(event: Item) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or "")


def _hash(pod: Item) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH, ""))
