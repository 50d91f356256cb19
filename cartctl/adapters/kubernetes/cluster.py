"""A Kubernetes namespace as a Cluster."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from cartctl.adapters.cluster import LEASE, Deployment, Held, Obstacle, Pod, PodResponse, TemplateRevision
from cartctl.adapters.kubernetes.client.access import Access
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.guarded_write import read
from cartctl.adapters.kubernetes.client.verbs import denied
from cartctl.adapters.kubernetes.config_maps import Settings
from cartctl.adapters.kubernetes.diagnosis import unready_pods
from cartctl.adapters.kubernetes.lease import Lease
from cartctl.adapters.kubernetes.logs import Tail, last_lines
from cartctl.adapters.kubernetes.workloads.capacity import Capacity
from cartctl.adapters.kubernetes.workloads.templates import APPS
from cartctl.adapters.kubernetes.workloads.workloads import Workloads


class Kubernetes:
    """Implements the Cluster protocol for one namespace of the context's cluster.

    `force_owned` allows changes to deployments that another tool manages. Raises ConfigError for an unusable kubeconfig.
    """

    bears_tokens = (
        False  # the API server's proxy removes a request's Authorization, which it takes as its own
    )

    def __init__(self, context: str | None, namespace: str, *, force_owned: bool = False) -> None:
        self.api = Api(Access(context), namespace)
        self._workloads = Workloads(self.api, force_owned=force_owned)
        self._capacity = Capacity(self.api, self._workloads)
        self._settings = Settings(self.api)

    @property
    def verified(self) -> bool:
        """Whether the API server's certificate is checked."""
        return self.api.access.verified

    def close(self) -> None:
        """End the watches and close the connections."""
        self._workloads.close()
        self.api.access.close()

    def deployments(self, *, fresh: bool = False) -> Mapping[str, Deployment]:
        """Every deployment by name, from the watch or (`fresh`) from a list. Read-only."""
        return self._workloads.deployments(fresh=fresh)

    def pods(self, deployment: str) -> list[Pod]:
        """The pods of a deployment, those that are ending included. Read-only."""
        return self._workloads.pods(deployment)

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Set images by container. Raises UnknownDeployment before anything changes, and Refused while paused."""
        self._workloads.set_images(deployment, images, cause=cause)

    def obstacles(self, deployments: Iterable[str]) -> list[Obstacle]:
        """What would prevent a release of these deployments. Read-only."""
        return self._workloads.obstacles(deployments)

    def revisions(self, deployment: str) -> list[TemplateRevision]:
        """The pod templates that its replica sets still have, oldest first. Read-only."""
        return self._workloads.templates.revisions(deployment)

    def template_changes(self, deployment: str, template: str) -> list[str]:
        """The differences between the current pod template and that one, without images. Read-only."""
        return self._workloads.templates.changes(deployment, template)

    def template(self, deployment: str) -> str:
        """The hash of the requested pod template. Read-only."""
        return self._workloads.templates.current(deployment)

    def template_of(self, deployment: str, revision: str) -> str:
        """The hash of an earlier revision's pod template. Raises UnknownDeployment. Read-only."""
        return self._workloads.templates.of(deployment, revision)

    def set_template(self, deployment: str, template: str) -> None:
        """Set an earlier template by its hash. Raises UnknownDeployment if it no longer exists, and Refused while paused."""
        self._workloads.templates.go_to(deployment, template)

    def scalers(self, deployments: Iterable[str]) -> list[str]:
        """What decides each deployment's size. Read-only."""
        return self._capacity.scalers(deployments)

    def capacity(self, names: Iterable[str]) -> dict[str, int]:
        """The requested size, by name. Read-only."""
        return {name: self._capacity.get(name) for name in names}

    def set_capacity(self, name: str, size: int) -> None:
        """Set a size."""
        self._capacity.set(name, size)

    def running(self, name: str) -> int:
        """Pods and Jobs that still exist. Read-only."""
        return self._capacity.running(name)

    def settings(self, name: str) -> dict[str, str]:
        """The keys of a ConfigMap; empty if it does not exist. Read-only."""
        return self._settings.get(name)

    def put_settings(
        self,
        name: str,
        changes: Mapping[str, str | None],
        *,
        expected: Mapping[str, str | None] | None = None,
    ) -> None:
        """Write or (None) remove keys. Raises SettingsChanged when one no longer holds its `expected` value."""
        self._settings.put(name, changes, expected=expected)

    def hasten(self, name: str) -> None:
        """Annotate the pods that mount a ConfigMap, which speeds up its delivery."""
        self._settings.hasten(name)

    def ask(self, pod: Pod, path: str, headers: Mapping[str, str]) -> PodResponse:
        """GET a path of one pod through the API server. Raises ClusterUnreachable."""
        port_entry: dict[str, Any] | None = self._port_of(pod)
        port = f":{port_entry['containerPort']}" if port_entry else ""
        below = f"proxy/{path.lstrip('/')}"
        forwarded = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        return self.api.ask(self.api.path("", "pods", pod.name + port, below), forwarded)

    def logs(self, deployment: str, *, lines: int, failing: bool = False) -> list[str]:
        """The last lines of every pod of a deployment, previous ones of a crashed container included. Read-only."""
        item = read(self.api, self.api.path(APPS, "deployments", deployment))
        pods = [pod for pod, _ in self._workloads.raw_pods(item)]
        return last_lines(self.api, pods, lines=lines, failing=failing)

    def unready(self, deployment: str) -> list[str]:
        """Each pod of the newest template that is not ready, with its reason and the probe that fails. Read-only."""
        item = read(self.api, self.api.path(APPS, "deployments", deployment))
        pods = [pod for pod, _ in self._workloads.raw_pods(item)]
        return unready_pods(self.api, pods, self._workloads.templates.current(deployment))

    def tail(self, selector: str, *, since: float) -> Tail:
        """Follows the logs of every pod that matches a label selector, from `since` seconds ago. Read-only."""
        return Tail(self.api, selector, since=since)

    def lease(self, holder: str, *, name: str = LEASE) -> AbstractContextManager[Held]:
        """Hold a Lease. Raises Locked naming the holder."""
        return Lease(self.api, name=name).hold(holder)

    def limit(self, name: str) -> tuple[str, int] | None:
        """An autoscaler's own name and its maxReplicas; None if there is no limit. Read-only."""
        return self._capacity.limit(name)

    def shortages(self, more: Mapping[str, int], released: Iterable[str]) -> list[str]:
        """What the quotas lack for `more` replicas plus a release of some deployments. Read-only."""
        return self._workloads.shortages(more, released)

    def denied(self) -> list[str]:
        """The required verbs that cartctl may not use. Read-only."""
        return denied(self.api)

    def _port_of(self, pod: Pod) -> dict[str, Any] | None:
        """The port named http, or else the first declared port of the deployment."""
        item = read(self.api, self.api.path(APPS, "deployments", pod.deployment))
        declared = [
            port
            for container in item["spec"]["template"]["spec"]["containers"]
            for port in container.get("ports") or []
            if port.get("protocol", "TCP") == "TCP"
        ]
        return next(
            (port for port in declared if port.get("name") == "http"), declared[0] if declared else None
        )
