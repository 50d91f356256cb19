"""The operations of the control API: deployments, pods, images, replicas, settings, logs. `server` has the HTTP part."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cartctl.sandbox.images import IMAGES, resolve
from cartctl.sandbox.supervisor import processes
from cartctl.sandbox.supervisor.controller import Controller
from cartctl.sandbox.supervisor.model import Revision, Spec
from cartctl.sandbox.supervisor.request_values import Bad
from cartctl.sandbox.supervisor.settings import Settings

MOST_REPLICAS = 20
MOST_LINES = 100_000  # lines of a log in one response
UNKNOWN = "unknown"  # the code of a container or image that does not exist
REVISIONS_RETAINED = 30
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class Control:
    """The operations of the control API on one controller; each takes its guard."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._settings = Settings(controller.layout.settings)

    def status(self) -> dict[str, Any]:
        """The sandbox's directory and whether everything in the specs runs."""
        deployments = self.deployments()["deployments"]
        return {
            "directory": str(self._controller.layout.directory),
            "images": list(IMAGES),
            "ports": {spec.name: spec.port for spec in self._controller.specs.values()},
            "deployments": deployments,
        }

    def deployments(self) -> dict[str, Any]:
        """Spec and status of each deployment, read together."""
        with self._controller.guard:
            return {
                "deployments": {name: self._status(spec) for name, spec in self._controller.specs.items()}
            }

    def pods(self, name: str) -> dict[str, Any]:
        """The pods of one deployment."""
        with self._controller.guard:
            spec = self._spec(name)
            return {"pods": [pod.document() for pod in self._controller.of(spec.name)]}

    def set_images(self, name: str, images: Mapping[str, str], cause: str) -> dict[str, Any]:
        """Set images by container; the same ones again change nothing."""
        with self._controller.guard:
            spec = self._spec(name)
            for container, ref in images.items():
                if container not in spec.images:
                    raise Bad(
                        400,
                        f"{name} has no container {container[:100]}.",
                        f"Available: {', '.join(spec.images)}.",
                        code=UNKNOWN,
                    )
                if resolve(ref) is None:
                    there = f"The sandbox has: {', '.join(IMAGES)}."
                    raise Bad(400, f"Unknown image {ref[:200]}.", there, code=UNKNOWN)
            target = {**spec.images, **images}
            if target != spec.images:
                spec.images = target
                at = datetime.now(UTC).isoformat()
                spec.history = [*spec.history, Revision(spec.revision + 1, target, cause, at)][
                    -REVISIONS_RETAINED:
                ]
                self._changed(spec)
            return self._status(spec)

    def set_replicas(self, name: str, replicas: int) -> dict[str, Any]:
        """Set the number of replicas, from 0 to MOST_REPLICAS."""
        with self._controller.guard:
            spec = self._spec(name)
            if spec.replicas != replicas:
                spec.replicas = replicas
                self._changed(spec)
            return self._status(spec)

    def set_paused(self, name: str, *, paused: bool) -> dict[str, Any]:
        """Pause or resume rolling out."""
        with self._controller.guard:
            spec = self._spec(name)
            if spec.paused != paused:
                spec.paused = paused
                self._changed(spec)
            return self._status(spec)

    def logs(self, name: str, lines: int) -> dict[str, Any]:
        """The last lines of each pod's log, by pod."""
        with self._controller.guard:
            names = [pod.name for pod in self._controller.of(self._spec(name).name)]
        layout = self._controller.layout
        return {"logs": {pod: processes.tail(processes.log_file(layout, pod), lines) for pod in names}}

    def settings(self, name: str) -> dict[str, Any]:
        """The keys of a ConfigMap and its version."""
        _plain(name)
        with self._controller.guard:
            data, version = self._settings.read(name)
        return {"data": data, "version": version}

    def put_settings(
        self, name: str, changes: Mapping[str, str | None], version: int | None
    ) -> dict[str, Any]:
        """Write or remove keys; refused (409) when it was modified since `version`."""
        for word in (name, *changes):
            _plain(word)
        with self._controller.guard:
            if not self._settings.write(name, changes, version):
                raise Bad(409, f"{name} was changed in the meantime.", "Read it again.")
        return self.settings(name)

    def _changed(self, spec: Spec) -> None:
        spec.generation += 1
        self._controller.save()
        self._controller.woken.set()

    def _spec(self, name: str) -> Spec:
        specs = self._controller.specs
        if name not in specs:
            raise Bad(404, f"Unknown deployment {name[:100]}.", f"Available: {', '.join(specs)}.")
        return specs[name]

    def _status(self, spec: Spec) -> dict[str, Any]:
        pods = [pod for pod in self._controller.of(spec.name) if pod.counts]
        updated = [pod for pod in pods if pod.revision == spec.revision and pod.ending is None]
        stuck = ("CrashLoopBackOff", "ErrImagePull")
        return {
            "name": spec.name,
            "role": spec.role,
            "replicas": spec.replicas,
            "images": spec.images,
            "revision": str(spec.revision),
            "paused": spec.paused,
            "observed": spec.observed == spec.generation,
            "total": len(pods),
            "updated": len(updated),
            "available": sum(pod.up for pod in updated),
            "ready": sum(pod.up for pod in pods),
            "running": len(self._controller.of(spec.name)),
            "failure": next((p.reason for p in updated if p.reason and p.reason.startswith(stuck)), None),
            "port": spec.port,
            "history": [
                {"revision": r.number, "images": r.images, "cause": r.cause, "at": r.at} for r in spec.history
            ],
        }


def _plain(name: str) -> None:
    """Names become paths, so only plain words are valid."""
    if not NAME.fullmatch(name):
        raise Bad(400, f"invalid name {name[:100]!r}", "Use letters, digits, dots, dashes and underscores.")
