"""A cluster whose pods are real: the small API server before the sandbox's replicas, so that one set of tests runs on both.

What is asked of the API (images, sizes, settings) is asked of the supervisor; what its replicas do is told as pods and status.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartctl.adapters.cluster import ClusterUnreachable, Pod, UnknownDeployment
from cartctl.adapters.http.client import HttpUnreachable
from cartctl.adapters.supervisor.cluster import Processes
from tests.kubernetes.controller import HASH, Controller, template_hash
from tests.kubernetes.lifecycle.external_writer import Somebody
from tests.kubernetes.server import Server
from tests.kubernetes.store import ApiFault, Item
from tests.sandbox_fixture import Sandbox, wait_for

NAMESPACE = "production"
SETTINGS = ("cart-runtime", "cart-flags")


@dataclass
class Bridge(Controller):
    """Carries what stands in the API server to the supervisor, and back what has come of it."""

    every: float = 0.03
    supervisor: Callable[[], Processes] = field(kw_only=True)

    def begin(self) -> None:
        """Make the objects that a user had applied before cartctl came."""
        begin_with(self.supervisor(), self._create)
        self.start()

    def _create(self, _group: str, resource: str, item: Item) -> None:
        self.store.create(resource, self.namespace, item)

    def settled(self) -> bool:
        """Whether every deployment is told to be what it was asked to be."""
        result = self.store.list("deployments", self.namespace)
        return all(
            one.get("status", {}).get("availableReplicas")
            == one["spec"]["replicas"]
            == one["status"]["replicas"]
            for one in result
        )

    def end(self) -> None:
        """Stop, and forget every object but the namespace."""
        self.stop()
        with self.store.guard:
            for (resource, namespace), result in list(self.store.items.items()):
                for name in list(result):
                    if resource != "namespaces":
                        self.store.delete(resource, namespace, name)

    def _run(self) -> None:
        """Each round; a supervisor that is just restarted is asked again."""
        while not self._ended.wait(self.every):
            try:
                self._carry()
            except (ClusterUnreachable, HttpUnreachable, UnknownDeployment, ApiFault, KeyError):
                continue

    def _carry(self) -> None:
        supervisor = self.supervisor()
        for item in self.store.list("configmaps", self.namespace):
            name = item["metadata"]["name"]
            if name in SETTINGS:
                carry_settings(supervisor, name, item.get("data") or {})
        for item in self.store.list("deployments", self.namespace):
            self._carry_deployment(supervisor, item)

    def _carry_deployment(self, supervisor: Processes, item: Item) -> None:
        name, spec = item["metadata"]["name"], item["spec"]
        sets = [
            one
            for one in self.store.list("replicasets", self.namespace)
            if one["metadata"]["labels"]["app"] == name
        ]
        self._new_set(item, sets)
        images = {one["name"]: one["image"] for one in spec["template"]["spec"]["containers"]}
        supervisor.set_images(name, images, cause="bridge")
        supervisor.set_capacity(f"deployment/{name}", spec["replicas"])
        result, pods = supervisor.deployments()[name], supervisor.pods(name)
        if result.replicas != spec["replicas"] or {c: i.ref for c, i in result.images.items()} != images:
            return
        self._mirror(item, name, pods)
        status = {
            "observedGeneration": item["metadata"]["generation"] if result.observed else 0,
            "replicas": result.total,
            "updatedReplicas": result.updated,
            "availableReplicas": result.available,
        }
        self._change("deployments", name, lambda one: one.update(status=status))

    def _mirror(self, item: Item, name: str, pods: list[Pod]) -> None:
        sets = [
            one
            for one in self.store.list("replicasets", self.namespace)
            if one["metadata"]["labels"]["app"] == name
        ]
        there = {pod.name: pod for pod in pods}
        for old in self.store.list("pods", self.namespace):
            if old["metadata"]["labels"]["app"] == name and old["metadata"]["name"] not in there:
                self.store.delete("pods", self.namespace, old["metadata"]["name"])
        known = {one["metadata"]["name"] for one in self.store.list("pods", self.namespace)}
        for pod in pods:
            if pod.name not in known:
                self._make(item, sets, pod)
            with suppress(ApiFault):
                self._change("pods", pod.name, lambda one, pod=pod: _tell(one, pod))

    def _make(self, item: Item, sets: list[Item], pod: Pod) -> None:
        template = json.loads(json.dumps(item["spec"]["template"]))
        for container in template["spec"]["containers"]:
            container["image"] = pod.images[container["name"]].ref
        mark = template_hash(template)
        owner = next((one for one in sets if one["metadata"]["labels"][HASH] == mark), None)
        if owner is None:
            return  # a replica that was ending when the objects were made anew
        reference = {
            "kind": "ReplicaSet",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
        meta = {"name": pod.name, "labels": owner["metadata"]["labels"], "ownerReferences": [reference]}
        self.store.create("pods", self.namespace, {"metadata": meta, "spec": template["spec"], "status": {}})


def _tell(item: Item, pod: Pod) -> None:
    if pod.ending:
        item["metadata"]["deletionTimestamp"] = "now"
    item["status"] = told_of(pod)


def told_of(pod: Pod) -> Item:
    """A replica as the status of a pod."""
    reason, _, message = (pod.reason or "").partition(": ")
    waits = reason in {"CrashLoopBackOff", "ErrImagePull"}
    state: Item = {"waiting": {"reason": reason, "message": message}} if waits else {"running": {}}
    statuses = [
        {
            "name": name,
            "image": image.ref,
            "imageID": f"registry.test/x@{image.digest}" if image.digest else "",
            "ready": pod.ready,
            "restartCount": pod.restarts,
            "state": state,
        }
        for name, image in pod.images.items()
    ]
    conditions = [{"type": "Ready", "status": "True" if pod.ready else "False"}]
    return {"phase": "Running", "containerStatuses": statuses, "conditions": conditions}


def begin_with(supervisor: Processes, create: Callable[[str, str, Item], None]) -> None:
    """Create the deployments and ConfigMaps that stand for a supervisor's."""
    for name, result in supervisor.deployments().items():
        spec = {
            "containers": [
                {"name": container, "image": image.ref, "ports": [{"name": "http", "containerPort": 80}]}
                for container, image in result.images.items()
            ],
            "volumes": [{"name": "settings", "configMap": {"name": "cart-runtime", "optional": True}}],
        }
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        expected = {
            "replicas": result.replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        }
        create("apps/v1", "deployments", {"metadata": {"name": name}, "spec": expected})
    for name in SETTINGS:
        if data := supervisor.settings(name):
            create("", "configmaps", {"metadata": {"name": name}, "data": data})


def carry_settings(supervisor: Processes, name: str, data: dict[str, str]) -> None:
    """Let the supervisor's settings be those of a ConfigMap."""
    there = supervisor.settings(name)
    changes: dict[str, str | None] = {key: value for key, value in data.items() if there.get(key) != value}
    changes |= dict.fromkeys(there.keys() - data.keys())
    if changes:
        supervisor.put_settings(name, changes)


def forwarded(
    supervisor: Processes, replica: Pod, path: str, headers: dict[str, str]
) -> tuple[int, dict[str, str], str]:
    """What a replica answers, as a proxy passes it on. Raises ClusterUnreachable."""
    kept = {key: value for key, value in headers.items() if key.startswith("x-")}
    result = supervisor.ask(replica, path, kept)
    left = {"content-length", "transfer-encoding", "connection", "content-encoding", "date", "server"}
    return result.status, {k: v for k, v in result.headers.items() if k not in left}, result.body


@dataclass
class Bridged(Sandbox):
    """A sandbox whose deployments are reached through the API server."""

    plain: Sandbox = field(kw_only=True)
    server: Server = field(kw_only=True)
    bridge: Bridge = field(kw_only=True)

    @property
    def cluster(self) -> Somebody:
        """What runs, and a way to meddle with it."""
        return Somebody(*self.control)

    def reset(self) -> None:
        """As the sandbox's, with the API server's objects made anew."""
        self.bridge.end()
        self.plain.reset()
        self.bridge.begin()
        wait_for(self.bridge.settled)


def bridged(sandbox: Sandbox, home: Path, patch: pytest.MonkeyPatch) -> Bridged:
    """The API server before a sandbox, and the environment in which cartctl uses it."""
    server = Server()
    server.start()
    server.store.create("namespaces", "", {"metadata": {"name": NAMESPACE}})

    def ask(pod: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        deployment = server.store.get("pods", NAMESPACE, pod)["metadata"]["labels"]["app"]
        replica = Pod(pod, deployment, ready=True, images={})
        try:
            return forwarded(sandbox.cluster, replica, path, headers)
        except ClusterUnreachable as gone:
            raise ApiFault(
                503, "ServiceUnavailable", f"error trying to reach service: {gone.message}"
            ) from gone

    def logs(pod: str, _container: str, _previous: bool) -> list[tuple[str, str]]:
        deployment = server.store.get("pods", NAMESPACE, pod)["metadata"]["labels"]["app"]
        lines = sandbox.cluster._logs(deployment).get(pod, [])
        return [(at, text) for at, _, text in (line.partition(" ") for line in lines)]

    server.proxy, server.logs = ask, logs
    patch.setenv("KUBECONFIG", str(server.kubeconfig(home / "kubeconfig")))
    patch.setenv("CARTCTL_CLUSTER__KIND", "kubernetes")
    patch.setenv("CARTCTL_CLUSTER__NAMESPACE", NAMESPACE)
    bridge = Bridge(server.store, NAMESPACE, supervisor=lambda: sandbox.cluster)
    bridge.begin()
    wait_for(bridge.settled)
    return Bridged(sandbox.state_directory, sandbox.status, plain=sandbox, server=server, bridge=bridge)
