"""The plug point for whatever runs the application: Kubernetes in production, a supervisor in the sandbox.

Its nouns are the cluster's: a deployment has a spec (what is asked for) and a status (what has happened yet),
pods come and go behind it. Verbs ask; they never wait: waiting belongs to the steps.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from cartctl.errors import ConfigError, StepFailed


class UnknownDeployment(ConfigError):
    """No such deployment, container, setting or image."""

    code = "unknown_deployment"


class ClusterUnreachable(StepFailed):
    """The cluster's API does not answer within its time limit."""

    code = "cluster_unreachable"


class SettingsChanged(StepFailed):
    """Somebody else has written to a ConfigMap since it was read."""

    code = "settings_changed"


@dataclass(frozen=True, slots=True)
class Image:
    """A container image as asked for; the digest is what ran, known only once a pod has started."""

    ref: str
    digest: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment's spec and status in one reading."""

    name: str
    replicas: int  # asked for
    images: Mapping[str, Image]  # container → image asked for
    revision: str
    paused: bool
    observed: bool  # the controller has seen the newest spec
    total: int  # pods of any revision that are not gone
    updated: int  # pods of the newest spec
    available: int  # ready pods of the newest spec
    failure: str | None = None  # why it will not get there: CrashLoopBackOff, ImagePullBackOff, …
    owner: str | None = None  # who would put it back behind our back: Argo CD, Flux, Helm, KEDA

    @property
    def complete(self) -> bool:
        """As `kubectl rollout status` decides it: seen, updated, available and no old pods."""
        return self.observed and self.total == self.updated == self.available == self.replicas


@dataclass(frozen=True, slots=True)
class Pod:
    """One replica as it runs."""

    name: str
    deployment: str
    ready: bool
    images: Mapping[str, Image]  # container → image with the digest that runs
    ending: bool = False  # told to end, with requests still in its hands
    restarts: int = 0
    reason: str | None = None  # why it is not ready


@dataclass(frozen=True, slots=True)
class Answer:
    """What one pod answered over HTTP. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


class Cluster(Protocol):
    """What steps and checks may ask of the place the application runs in."""

    def deployments(self) -> Mapping[str, Deployment]:
        """Every deployment by name, in one reading. Read-only."""

    def pods(self, deployment: str) -> list[Pod]:
        """The pods of a deployment, those that are ending included. Read-only."""

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Ask for images by container name; nothing else of the pod template changes.

        Raises UnknownDeployment for a deployment, container or image that does not exist.
        """

    def scalers(self, deployments: Iterable[str]) -> list[str]:
        """What decides each deployment's size: `deployment/NAME`, or `hpa/NAME` where one does. Read-only."""

    def capacity(self, names: Iterable[str]) -> dict[str, int]:
        """The size asked for, by `deployment/NAME`, `hpa/NAME` (minReplicas) or `cronjob/NAME` (0 suspended). Read-only."""

    def set_capacity(self, name: str, size: int) -> None:
        """Ask for a size; names as in `capacity`."""

    def running(self, name: str) -> int:
        """Pods that `name` (as in `capacity`) still has, those that are ending and Jobs in flight included. Read-only."""

    def settings(self, name: str) -> dict[str, str]:
        """The keys of a ConfigMap; empty when there is none. Read-only."""

    def put_settings(
        self, name: str, changes: Mapping[str, str | None], *, seen: Mapping[str, str | None] | None = None
    ) -> None:
        """Write or (None) remove keys of a ConfigMap, other keys untouched, created when missing.

        With `seen`, only while these keys still hold these texts (None: are absent), decided by the ConfigMap's version.
        Raises SettingsChanged otherwise, and nothing is written.
        """

    def ask(self, pod: Pod, path: str, headers: Mapping[str, str]) -> Answer:
        """GET a path of one pod, whatever the Service in front of it would choose.

        Raises ClusterUnreachable when the pod does not answer.
        """

    def logs(self, deployment: str, *, lines: int) -> list[str]:
        """The last lines of every pod of a deployment, a crashed container's previous ones included. Read-only."""

    def lease(self, holder: str) -> AbstractContextManager[None]:
        """Hold the cluster's own lock while the database is gone. Raises Locked naming the holder."""
