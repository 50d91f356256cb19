"""A real API server whose pods are the sandbox's replicas: its controllers make the pods, the supervisor what runs in them.

What is asked of deployments and ConfigMaps is asked of the supervisor. A pod stands for one replica with its images, and is
ready while that one is. The API server reaches it at an address of its own (see `test_proxy.py`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.cluster import ClusterUnreachable, Pod, UnknownDeployment
from cartctl.adapters.http.client import HttpUnreachable
from cartctl.adapters.kubernetes.workloads.parsing import containers, is_ending
from cartctl.adapters.supervisor.cluster import Processes
from tests.kubernetes.earlier_versions import ON_START, is_earlier_version
from tests.kubernetes.kubelet import Kubelet
from tests.kubernetes.lifecycle.bridge import SETTINGS, begin_with, carry_settings, forwarded, told_of
from tests.kubernetes.lifecycle.external_writer import Somebody
from tests.kubernetes.namespace import Item, Played
from tests.kubernetes.node import Node
from tests.kubernetes.real import real_namespace
from tests.kubernetes.test_rights import Account
from tests.sandbox_fixture import Sandbox, wait_for

PORT = 80
MADE = (("apps/v1", "deployments"), ("", "configmaps"), ("coordination.k8s.io/v1", "leases"))
AUTHORITY = "kube-root-ca.crt"  # a ConfigMap of the cluster's own in every namespace


@dataclass
class RealBridge(Kubelet):
    """Plays the pods of a namespace with the replicas of the supervisor; `first` is the address of the first pod."""

    every: float = 0.1
    supervisor: Callable[[], Processes] = field(kw_only=True)
    first: str = field(kw_only=True)
    at: dict[str, Pod] = field(default_factory=dict)  # address → replica
    replicas: dict[str, Pod] = field(default_factory=dict)  # pod's name → replica
    _addresses: dict[str, str] = field(default_factory=dict)  # uid → address

    def look(self) -> None:
        """One round; a supervisor that is just restarted is asked again."""
        with suppress(ClusterUnreachable, HttpUnreachable, UnknownDeployment, KeyError):
            supervisor = self.supervisor()
            for name in SETTINGS:
                if result := self.api.find(self.api.path("", "configmaps", name)):
                    carry_settings(supervisor, name, result.get("data") or {})
            pods, _ = self.api.listing(self.api.path("", "pods"))
            for item in self.api.listing(self.api.path("apps/v1", "deployments"))[0]:
                name = item["metadata"]["name"]
                supervisor.set_images(name, containers(item["spec"]["template"]), cause="bridge")
                supervisor.set_capacity(f"deployment/{name}", item["spec"]["replicas"])
                own = [pod for pod in pods if pod["metadata"]["labels"].get("app") == name]
                self._play(own, supervisor.pods(name))
            orphans = [pod for pod in pods if is_ending(pod) and not self._is_owned(pod)]
            for pod in orphans:
                self.end(pod)

    def _is_owned(self, pod: Item) -> bool:
        name = pod["metadata"]["labels"].get("app", "")
        return self.api.find(self.api.path("apps/v1", "deployments", name)) is not None

    def _play(self, pods: list[Item], replicas: list[Pod]) -> None:
        live = [pod for pod in pods if not is_ending(pod)]
        ending = [pod for pod in pods if is_ending(pod)]
        for pod in ending[max(0, len(replicas) - len(live)) :]:
            self.end(pod)
        free = {one.name: one for one in replicas}
        for pod in live:
            known = self.replicas.pop(pod["metadata"]["name"], None)
            if known is not None and known.name in free:
                self.replicas[pod["metadata"]["name"]] = free.pop(known.name)
        for pod in live:
            name, result = pod["metadata"]["name"], containers(pod)
            fits = (one for one in free.values() if {c: i.ref for c, i in one.images.items()} == result)
            if name not in self.replicas and (results := next(fits, None)):
                self.replicas[name] = free.pop(results.name)
            self._tell_one(pod)

    def _tell_one(self, pod: Item) -> None:
        replica = self.replicas.get(pod["metadata"]["name"])
        if replica is not None:
            address = self._address(pod["metadata"]["uid"])
            self.at[address] = replica
            self.bind(pod)
            self.tell(pod, told_of(replica) | {"podIP": address})
        elif pod["spec"].get("nodeName"):
            self.tell(pod, {"conditions": [{"type": "Ready", "status": "False"}]})

    def _address(self, uid: str) -> str:
        return self._addresses.setdefault(uid, str(ip_address(self.first) + len(self._addresses)))


@dataclass
class RealBridged(Sandbox):
    """A sandbox whose deployments are reached through a real API server."""

    plain: Sandbox = field(kw_only=True)
    namespace: Played = field(kw_only=True)

    @property
    def cluster(self) -> Somebody:
        """What runs, and a way to meddle with it."""
        return Somebody(*self.control)

    def begin(self) -> None:
        """Make the objects that a user had applied before cartctl came."""
        begin_with(self.plain.cluster, self.namespace.create)
        for name in self.plain.cluster.deployments():
            self.namespace.settle(name)

    def reset(self) -> None:
        """As the sandbox's, with the objects made anew."""
        api = self.namespace.cluster.api
        for group, resource in MADE:
            for item in api.listing(api.path(group, resource))[0]:
                if item["metadata"]["name"] != AUTHORITY:
                    self.namespace.delete(group, resource, item["metadata"]["name"])
        wait_for(lambda: not api.listing(api.path("", "pods"))[0])
        self.plain.reset()
        self.begin()


def serve_pods(bridge: RealBridge) -> ThreadingHTTPServer:
    """Answer at each pod's address with what its replica answers."""

    class Handler(BaseHTTPRequestHandler):
        """One connection of the API server."""

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Tests say what they saw themselves."""

        def do_GET(self) -> None:
            """As the replica answers; a connection that closes where there is none."""
            replica = bridge.at.get(self.connection.getsockname()[0])
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.close_connection = True
            if replica is None:
                return
            with suppress(ClusterUnreachable):
                status, kept, text = forwarded(bridge.supervisor(), replica, self.path, headers)
                self.send_response(status)
                for name, value in {**kept, "Content-Length": str(len(text.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

    http = ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    return http


@contextmanager
def real_bridged(
    sandbox: Sandbox, kubeconfig: Path, node: Node, first: str, home: Path, patch: pytest.MonkeyPatch
) -> Iterator[RealBridged]:
    """A real API server before a sandbox, and the environment in which cartctl uses it, as the runbook's service account."""
    play = partial(RealBridge, supervisor=lambda: sandbox.cluster, first=first)
    with real_namespace(kubeconfig, node, play) as namespace:
        assert isinstance(namespace, Played)
        bridge = namespace.nodes
        assert isinstance(bridge, RealBridge)
        http = serve_pods(bridge)
        made = RealBridged(sandbox.state_directory, sandbox.status, plain=sandbox, namespace=namespace)
        patch.setattr(node, "logs", partial(_logs, sandbox, bridge))
        if is_earlier_version(namespace.cluster.api):
            _speak_as_formerly(home / "former", patch)
        try:
            account = Account(namespace, kubeconfig, home / "account")
            account.apply("ServiceAccount", "Role", "RoleBinding")
            account.log_in()
            made.begin()
            patch.setenv("KUBECONFIG", str(account.kubeconfig))
            patch.setenv("CARTCTL_CLUSTER__KIND", "kubernetes")
            patch.setenv("CARTCTL_CLUSTER__NAMESPACE", namespace.name)
            yield made
        finally:
            http.shutdown()
            http.server_close()


def _logs(
    sandbox: Sandbox, bridge: RealBridge, pod: str, _container: str, _previous: object
) -> list[tuple[str, str]]:
    replica = bridge.replicas.get(pod)
    lines = sandbox.cluster._logs(replica.deployment).get(replica.name, []) if replica else []
    return [(at, text) for at, _, text in (line.partition(" ") for line in lines)]


def _speak_as_formerly(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the processes that a test starts use the beta names, too."""
    folder.mkdir()
    root = str(Path(__file__).parents[3])
    (folder / "sitecustomize.py").write_text(ON_START.format(root=root), encoding="utf-8")
    patch.setenv("PYTHONPATH", str(folder))
