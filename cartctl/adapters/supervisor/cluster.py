"""The sandbox as a Cluster: every verb is a request to its supervisor's control API on loopback."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from cartctl.adapters.cluster import (
    LEASE,
    ClusterUnreachable,
    Deployment,
    Held,
    Obstacle,
    Pod,
    PodResponse,
    TemplateRevision,
    UnknownDeployment,
    refuse_changed_settings,
)
from cartctl.adapters.effects import effect
from cartctl.adapters.http.client import Http, HttpUnreachable, Response
from cartctl.adapters.log_lines import FileTail, Tail
from cartctl.adapters.supervisor.responses import START, checked, deployment_of, pod_of, reading
from cartctl.errors import Locked
from cartctl.private_files import FILE, write_private

CONFLICT = 409
ASK_SECONDS = 10.0
ATTEMPTS = 5  # of a write after a concurrent one
TAIL_LINES = 5000  # of each pod's log that one reading sees


class HeldByFile:
    """The sandbox's lease, held: the operating system frees a file's lock, and only when this process ends."""

    def confirm(self) -> None:
        """It cannot be lost."""


class Processes:
    """Implements the Cluster protocol over the control API at `control`, with its secret."""

    bears_tokens = True

    def __init__(self, control: str, secret: str, *, timeout: float = 10.0) -> None:
        self._control = Http(control, token=secret, timeout=timeout)

    @reading()
    def deployments(self, *, fresh: bool = False) -> dict[str, Deployment]:  # noqa: ARG002 - always is
        """Every deployment by name. Read-only."""
        entries = self._call("GET", "/deployments")["deployments"]
        return {name: deployment_of(entry) for name, entry in entries.items()}

    @reading()
    def images(self) -> list[str]:
        """The images that the sandbox has. Read-only."""
        return [str(name) for name in self._call("GET", "/status")["images"]]

    @reading()
    def pods(self, deployment: str) -> list[Pod]:
        """The pods of a deployment, those that are ending included. Read-only."""
        return [pod_of(entry) for entry in self._pods(deployment)]

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Set images by container. Raises UnknownDeployment before anything changes."""
        with effect("cluster.set_images"):
            self._call(
                "PUT", f"/deployments/{quote(deployment)}/images", {"images": dict(images), "cause": cause}
            )

    @reading()
    def scalers(self, deployments: Iterable[str]) -> list[str]:
        """Each deployment decides its own size here. Raises UnknownDeployment. Read-only."""
        known = self._call("GET", "/deployments")["deployments"]
        return [f"deployment/{_known(name, known)}" for name in deployments]

    @reading()
    def capacity(self, names: Iterable[str]) -> dict[str, int]:
        """The requested size, by `deployment/NAME`. Read-only."""
        known = self._call("GET", "/deployments")["deployments"]
        return {name: int(known[_known(_bare(name), known)]["replicas"]) for name in names}

    def set_capacity(self, name: str, size: int) -> None:
        """Set a size."""
        path = f"/deployments/{quote(_bare(name))}/replicas"
        with effect("cluster.scale"):
            self._call("PUT", path, {"replicas": size})

    def running(self, name: str) -> int:
        """Pods that are not gone yet, those that are ending included. Read-only."""
        return len(self._pods(_bare(name)))

    @reading()
    def settings(self, name: str) -> dict[str, str]:
        """The keys of a ConfigMap; empty if it does not exist. Read-only."""
        return dict(self._call("GET", f"/settings/{quote(name)}")["data"])

    @reading()
    def put_settings(
        self,
        name: str,
        changes: Mapping[str, str | None],
        *,
        expected: Mapping[str, str | None] | None = None,
    ) -> None:
        """Write or (None) remove keys, and retry on fresh values after a conflict.

        Raises SettingsChanged if a key no longer has its `expected` value.
        """
        path = f"/settings/{quote(name)}"
        for left in reversed(range(ATTEMPTS)):
            stored = self._call("GET", path)
            refuse_changed_settings(name, stored["data"], expected or {})
            with effect("cluster.put_settings"):
                response = self._send("PATCH", path, {"changes": dict(changes), "seen": stored["version"]})
            if response.status != CONFLICT or not left:
                checked(response)
                return

    def hasten(self, name: str) -> None:
        """Nothing to do: replicas here see a setting as soon as it is written."""

    @reading()
    def ask(self, pod: Pod, path: str, headers: Mapping[str, str]) -> PodResponse:
        """GET a path of one pod on its own port. Raises ClusterUnreachable."""
        port = next(
            (entry["port"] for entry in self._pods(pod.deployment) if entry["name"] == pod.name), None
        )
        if port is None:
            raise ClusterUnreachable(
                f"The pod {pod.name} is not running.", hint="Try again: pods come and go."
            )
        try:
            response = Http(f"http://127.0.0.1:{port}", timeout=ASK_SECONDS).get(path, headers=dict(headers))
        except HttpUnreachable as error:
            raise ClusterUnreachable(f"The pod {pod.name} does not respond: {error.message}") from error
        return PodResponse(response.status, response.headers, response.body)

    @reading()
    def logs(self, deployment: str, *, lines: int, failing: bool = False) -> list[str]:
        """The last lines of every pod's log, or of those that are not ready, pod after pod. Read-only."""
        ready = {entry["name"] for entry in self._pods(deployment) if entry["ready"]} if failing else set()
        logs = self._call("GET", f"/deployments/{quote(deployment)}/logs?lines={lines}")["logs"]
        return [line for pod, entry in logs.items() if pod not in ready for line in entry]

    @reading()
    def unready(self, deployment: str) -> list[str]:
        """Each pod that is neither ready nor ending, with its reason. Read-only."""
        return [
            f"pod {entry['name']}: {entry['reason'] or 'not ready'}"
            for entry in self._pods(deployment)
            if not entry["ready"] and not entry["ending"]
        ]

    def tail(self, selector: str, *, since: float) -> Tail:
        """Follows the logs of the deployments that `selector` (`app=NAME`) matches; all if it is empty. Read-only."""
        names = [selector.rpartition("=")[2]] if selector else list(self.deployments())
        return FileTail(self._logs, names, since=since)

    def obstacles(self, deployments: Iterable[str]) -> list[Obstacle]:
        """Deployments that are paused or do not exist. Read-only."""
        known = self.deployments()
        obstacles: list[Obstacle] = []
        for name in deployments:
            missing = Obstacle(name, "does not exist", f"available: {', '.join(known)}")
            obstacles += known[name].obstacles if name in known else [missing]
        return obstacles

    @reading()
    def revisions(self, deployment: str) -> list[TemplateRevision]:
        """The images that a deployment has had, oldest first. Raises UnknownDeployment. Read-only."""
        known = self._call("GET", "/deployments")["deployments"]
        return [
            TemplateRevision(
                str(one["revision"]), json.dumps(one["images"], sort_keys=True), one["images"], one["cause"]
            )
            for one in known[_known(deployment, known)]["history"]
        ]

    def template_changes(self, deployment: str, template: str) -> list[str]:  # noqa: ARG002 - see `template`
        """Nothing: a template has nothing but images here."""
        return []

    @reading()
    def template(self, deployment: str) -> str:
        """The requested images: a template has nothing else here. Raises UnknownDeployment. Read-only."""
        known = self._call("GET", "/deployments")["deployments"]
        return json.dumps(known[_known(deployment, known)]["images"], sort_keys=True)

    def template_of(self, deployment: str, revision: str) -> str:
        """The images of an earlier revision. Raises UnknownDeployment, naming the existing ones. Read-only."""
        known = {one.number: one.template for one in self.revisions(deployment)}
        if revision not in known:
            raise UnknownDeployment(
                f"Deployment {deployment} has no revision {revision}.",
                hint=f"Its revisions: {', '.join(known)}.",
            )
        return known[revision]

    @reading()
    def set_template(self, deployment: str, template: str) -> None:
        """Set the images of an earlier revision. Raises UnknownDeployment."""
        self.set_images(deployment, json.loads(template), cause="cartctl rollback --to-revision")

    @contextmanager
    def lease(self, holder: str, *, name: str = LEASE) -> Iterator[Held]:
        """Hold a lease of the sandbox; the operating system frees it when this process dies. Raises Locked."""
        path = Path(self._call("GET", "/status")["directory"]) / (
            "lease" if name == LEASE else f"lease-{name}"
        )
        lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=FILE)
        try:
            lock.acquire()
        except Timeout as timeout:
            who = path.read_text(encoding="utf-8") if path.exists() else "another run"
            raise Locked(
                f"{who} holds the sandbox's lease.", hint="Wait until it ends, or stop it."
            ) from timeout
        try:
            write_private(path, holder)
            yield HeldByFile()
        finally:
            lock.release()

    @reading()
    def _logs(self, deployment: str) -> dict[str, list[str]]:
        path = f"/deployments/{quote(deployment)}/logs?lines={TAIL_LINES}"
        return {pod: [str(line) for line in lines] for pod, lines in self._call("GET", path)["logs"].items()}

    @reading()
    def _pods(self, deployment: str) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/deployments/{quote(deployment)}/pods")["pods"])

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return checked(self._send(method, path, body))

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        try:
            return self._control.send(method, path, json=body)
        except HttpUnreachable as error:
            raise ClusterUnreachable(
                f"The sandbox's supervisor does not respond: {error.message}", hint=START
            ) from error


def _bare(name: str) -> str:
    kind, _, bare = name.partition("/")
    if kind != "deployment" or not bare:
        raise UnknownDeployment(
            f"The sandbox has no {name}.", hint="It has only Deployments: deployment/NAME."
        )
    return bare


def _known(name: str, known: Mapping[str, Any]) -> str:
    if name not in known:
        raise UnknownDeployment(f"Deployment {name} not found.", hint=f"Available: {', '.join(known)}.")
    return name
