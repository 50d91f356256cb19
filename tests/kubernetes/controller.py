"""Plays the controllers and kubelets of a cluster: replica sets, pods that get ready, autoscalers, and bad endings.

What it does to a deployment it does as documented: a replica set per template, named by its hash; old pods go as new ones
get ready; status in the end. It never waits for anybody.
"""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes.store import ApiFault, Item, Store

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
SKIPPED = ("kubectl.kubernetes.io/last-applied-configuration",)


@dataclass
class Controller:
    """Acts on the deployments of one namespace each `every` seconds. `bad` is image → the reason its pods wait with."""

    store: Store
    namespace: str = "production"
    every: float = 0.02
    startup: float = 0.05  # seconds until a pod is ready
    ending: float = 0.05  # seconds until a pod that was told to end is gone
    bad: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)  # image → digest, where a tag has moved
    quota: int | None = None  # pods that may be
    _ended: threading.Event = field(default_factory=threading.Event)
    _born: dict[str, float] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Begin, in a thread."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._ended.wait(self.every):
            with self.store.guard:
                for deployment in self.store.list("deployments", self.namespace):
                    try:
                        self._scale(deployment)
                        self._reconcile(
                            self.store.get("deployments", self.namespace, deployment["metadata"]["name"])
                        )
                    except ApiFault:
                        continue

    def _scale(self, deployment: Item) -> None:
        name, replicas = deployment["metadata"]["name"], deployment["spec"]["replicas"]
        for hpa in self.store.list("horizontalpodautoscalers", self.namespace):
            least = hpa["spec"].get("minReplicas", 1)
            if hpa["spec"]["scaleTargetRef"]["name"] == name and 0 < replicas < least:
                self._change("deployments", name, lambda item, to=least: item["spec"].update(replicas=to))

    def _reconcile(self, deployment: Item) -> None:
        sets = [one for one in self.store.list("replicasets", self.namespace) if _owned(one, deployment)]
        if not deployment["spec"].get("paused"):
            self._pods(deployment, self._new_set(deployment, sets))
        elif own := self._only_set(deployment, sets):
            self._pods(deployment, own)
        self._sweep()
        self._status(deployment)

    def _only_set(self, deployment: Item, sets: list[Item]) -> Item | None:
        """The set of a paused deployment that is sized all the same: its template's, while no other has pods."""
        mark = template_hash(deployment["spec"]["template"])
        alone = all(pod["metadata"]["labels"][HASH] == mark for pod in self.of(deployment))
        return next((one for one in sets if one["metadata"]["labels"][HASH] == mark and alone), None)

    def _new_set(self, deployment: Item, sets: list[Item]) -> Item:
        mark = template_hash(deployment["spec"]["template"])
        name = f"{deployment['metadata']['name']}-{mark}"
        own = deployment["metadata"].get("annotations") or {}
        result = next((one for one in sets if one["metadata"]["name"] == name), None)
        highest = max((int(one["metadata"]["annotations"][REVISION]) for one in sets), default=0)
        if result is None or int(result["metadata"]["annotations"][REVISION]) < highest:
            revision = str(highest + 1)
        else:
            revision = result["metadata"]["annotations"][REVISION]
        kept = {
            k: v for k, v in own.items() if k not in SKIPPED and not k.startswith("deployment.kubernetes.io/")
        }
        annotations = {**kept, REVISION: revision}
        if result is None:
            template = json.loads(json.dumps(deployment["spec"]["template"]))
            template["metadata"].setdefault("labels", {})[HASH] = mark
            labels = {**template["metadata"]["labels"]}
            meta = {
                "name": name,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [_reference(deployment, "Deployment")],
            }
            result = self.store.create(
                "replicasets",
                self.namespace,
                {"metadata": meta, "spec": {"template": template, "replicas": 0}},
            )
        else:
            self._change("replicasets", name, lambda item: item["metadata"].update(annotations=annotations))
        if own.get(REVISION) != revision:
            self._change(
                "deployments",
                deployment["metadata"]["name"],
                lambda item: item["metadata"].setdefault("annotations", {}).update({REVISION: revision}),
            )
        return result

    def _pods(self, deployment: Item, new: Item) -> None:
        """Up to one pod more than asked for, and an old one goes for each new one that is ready."""
        expected = deployment["spec"]["replicas"]
        alive = [pod for pod in self.of(deployment) if "deletionTimestamp" not in pod["metadata"]]
        fresh = [pod for pod in alive if _owned(pod, new)]
        old = [pod for pod in alive if not _owned(pod, new)]
        room = expected + 1 if self.quota is None else min(expected + 1, self.quota)
        if len(fresh) < expected and len(alive) < room:
            self._born_pod(new)
        ready = sum(_ready(pod) for pod in fresh)
        for pod in [*fresh[expected:], *old[: max(0, ready + len(old) - expected)]]:
            self._end(pod)

    def of(self, deployment: Item) -> list[Item]:
        """Its pods, those that are ending included."""
        sets = {
            one["metadata"]["uid"]
            for one in self.store.list("replicasets", self.namespace)
            if _owned(one, deployment)
        }
        pods = self.store.list("pods", self.namespace)
        return [pod for pod in pods if pod["metadata"]["ownerReferences"][0]["uid"] in sets]

    def _born_pod(self, owner: Item) -> None:
        name = f"{owner['metadata']['name']}-{hashlib.sha256(str(time.monotonic()).encode()).hexdigest()[:5]}"
        template = owner["spec"]["template"]
        meta = {
            "name": name,
            "labels": template["metadata"]["labels"],
            "ownerReferences": [_reference(owner, "ReplicaSet")],
        }
        pod = self.store.create(
            "pods",
            self.namespace,
            {"metadata": meta, "spec": template["spec"], "status": {"phase": "Pending"}},
        )
        self._born[pod["metadata"]["uid"]] = time.monotonic()

    def _end(self, pod: Item) -> None:
        self._told[pod["metadata"]["uid"]] = time.monotonic()
        self._change(
            "pods", pod["metadata"]["name"], lambda item: item["metadata"].update(deletionTimestamp="now")
        )

    def _sweep(self) -> None:
        now = time.monotonic()
        for pod in self.store.list("pods", self.namespace):
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            if uid in self._told:
                if now - self._told[uid] >= self.ending:
                    self.store.delete("pods", self.namespace, name)
            elif now - self._born.get(uid, now) >= self.startup:
                self._change("pods", name, self._live)

    def _live(self, pod: Item) -> None:
        pod["status"] = status_of(pod, self.bad, self.digests)

    def _status(self, deployment: Item) -> None:
        name = deployment["metadata"]["name"]
        now = self.store.get("deployments", self.namespace, name)
        alive = [pod for pod in self.of(now) if "deletionTimestamp" not in pod["metadata"]]
        mark = template_hash(now["spec"]["template"])
        fresh = [pod for pod in alive if pod["metadata"]["labels"][HASH] == mark]
        status: dict[str, Any] = {
            "observedGeneration": now["metadata"]["generation"],
            "replicas": len(alive),
            "updatedReplicas": len(fresh),
            "availableReplicas": sum(_ready(pod) for pod in alive),
            "conditions": [],
        }
        if self.quota is not None and len(fresh) < now["spec"]["replicas"]:
            status["conditions"] = [
                {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": "pods is forbidden: exceeded quota",
                }
            ]
        self._change("deployments", name, lambda item: item.update(status=status))
        for one in self.store.list("replicasets", self.namespace):
            if _owned(one, now):
                self._set_status(one, [pod for pod in alive if _owned(pod, one)])

    def _set_status(self, replica_set: Item, pods: list[Item]) -> None:
        messages = {"replicas": len(pods), "availableReplicas": sum(_ready(pod) for pod in pods)}
        self._change(
            "replicasets", replica_set["metadata"]["name"], lambda item: item.update(status=messages)
        )

    def _change(self, resource: str, name: str, change: Any) -> None:
        def made(item: Item) -> Item:
            change(item)
            return item

        self.store.update(resource, self.namespace, name, made)


def status_of(pod: Item, bad: dict[str, str], digests: dict[str, str]) -> Item:
    """What a kubelet tells of a pod: that it runs, or the reason in `bad` of one of its images why it does not."""
    statuses, reasons = [], []
    for container in pod["spec"]["containers"]:
        reason = bad.get(container["image"])
        reasons.append(reason)
        digest = digests.get(container["image"], digest_of(container["image"]))
        state: Item = (
            {"running": {}}
            if reason in {None, "NeverReady"}
            else {"waiting": {"reason": reason, "message": "as the test wants it"}}
        )
        messages = {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"registry.test/x@{digest}",
            "state": state,
            "ready": not reason,
            "restartCount": 3 if reason == "CrashLoopBackOff" else 0,
        }
        if reason == "CrashLoopBackOff":
            messages["lastState"] = {"terminated": {"exitCode": 1}}
        statuses.append(messages)
    conditions: list[Item] = [{"type": "Ready", "status": "False" if any(reasons) else "True"}]
    if "Unschedulable" in reasons:
        conditions.append(
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/3 nodes are available",
            }
        )
        return {"phase": "Pending", "containerStatuses": [], "conditions": conditions}
    if "Succeeded" in reasons:
        for messages in statuses:
            messages["state"] = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        return {"phase": "Succeeded", "containerStatuses": statuses, "conditions": conditions}
    return {"phase": "Running", "containerStatuses": statuses, "conditions": conditions}


def digest_of(image: str) -> str:
    """The digest of what an image's name stands for here."""
    named = image.partition("@")[2]
    return named or f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def template_hash(template: Item) -> str:
    """A name for a template."""
    bare = json.loads(json.dumps(template))
    (bare.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()[:10]


def _ready(pod: Item) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _owned(item: Item, owner: Item) -> bool:
    return any(one["uid"] == owner["metadata"]["uid"] for one in item["metadata"].get("ownerReferences", []))


def _reference(owner: Item, kind: str) -> Item:
    return {
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
