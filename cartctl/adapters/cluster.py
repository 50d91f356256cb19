"""The extension point for what runs the application: Kubernetes in production, a supervisor in the sandbox.

Its terms are Kubernetes': a deployment has a spec (requested) and a status (actual), and pods.
Methods never wait: waiting is done by the steps.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from cartctl.adapters.log_lines import Tail
from cartctl.errors import ConfigError, StepFailed

LEASE = "cartctl"  # the lease of runs while the database is unreachable


class UnknownDeployment(ConfigError):
    """No such deployment, container, setting or image."""

    code = "unknown_deployment"


class ClusterUnreachable(StepFailed):
    """The cluster's API does not respond within its time limit."""

    code = "cluster_unreachable"


class SettingsChanged(StepFailed):
    """A ConfigMap was modified externally since it was read."""

    code = "settings_changed"


def refuse_changed_settings(name: str, now: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    """Raise SettingsChanged, naming the first key whose value in `now` is no longer the `expected` one (None: absent). Pure."""
    changed = [key for key, text in expected.items() if now.get(key) != text]
    if changed:
        raise SettingsChanged(
            f"{name}/{changed[0]} was modified externally in the meantime.",
            hint="Check it, then try again.",
        )


@dataclass(frozen=True, slots=True)
class Image:
    """A container image as requested; the digest is what ran, known only once a pod has started.

    Two images are equal when the same would run: the same reference, one naming the digest that the other's tag stood for, or
    the same known digest. `rest` is a hash of the rest of the pod template: it shows that the template was changed, and
    does not count for equality.
    """

    ref: str
    digest: str | None = field(default=None, compare=False)
    rest: str = field(default="", compare=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return self.same_as(other) or (self.digest is not None and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(Image)  # equal images may have different references

    def same_as(self, other: "Image") -> bool:
        """Whether both references name the same image, by tag or by the digest that is known."""
        return other.ref in {self.ref, self.pinned} or self.ref == other.pinned

    def satisfies(self, requested: "Image") -> bool:
        """Whether this running image is the requested one: its reference, and the digest where one is named or recorded."""
        named = requested.ref.partition("@")[2] or None
        digests = {digest for digest in (requested.digest, named) if digest}
        return self.same_as(requested) and (not digests or self.digest in {None, *digests})

    @property
    def detailed(self) -> str:
        """The reference, with the digest if known."""
        return f"{self.ref} ({self.digest})" if self.digest else self.ref

    @property
    def pinned(self) -> str | None:
        """The reference by digest, independent of tags; None while the digest is unknown."""
        return f"{_repository(self.ref)}@{self.digest}" if self.digest else None

    def __str__(self) -> str:
        return self.ref


def _repository(ref: str) -> str:
    """A reference without tag and digest; a colon before a slash belongs to the registry's port."""
    bare = ref.partition("@")[0]
    path, colon, tag = bare.rpartition(":")
    return path if colon and "/" not in tag else bare


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a deployment would not accept a change now, and the command or setting that fixes it."""

    deployment: str
    problem: str  # a clause about the deployment: "is paused"
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.deployment} {self.problem}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment's spec and status at one time."""

    name: str
    replicas: int  # requested
    images: Mapping[str, Image]  # container → requested image
    revision: str
    paused: bool
    observed: bool  # the controller has seen the latest spec
    total: int  # pods of any revision that are not gone
    updated: int  # pods of the newest spec
    available: int  # available pods of the newest spec, never those of an earlier one
    failure: str | None = None  # why it will not become ready: CrashLoopBackOff, ImagePullBackOff, …
    owner: str | None = None  # the tool that would revert a change: Argo CD, Flux, Helm, KEDA
    pause: str = ""  # the command that pauses the owner
    obstacles: tuple[Obstacle, ...] = ()  # why it would not release a change: paused, being deleted, owned
    shape: str = ""  # a hash of the pod template without its images

    @property
    def complete(self) -> bool:
        """As `kubectl rollout status` decides it: seen, updated, available and no old pods."""
        updated = self.updated >= self.replicas and self.total <= self.updated
        return self.observed and updated and self.available >= self.updated


@dataclass(frozen=True, slots=True)
class TemplateRevision:
    """An earlier pod template of a deployment that the cluster still has."""

    number: str
    template: str  # its hash, as `Cluster.template_of` gives it
    images: Mapping[str, str]  # container → reference
    cause: str = ""  # the change-cause that was recorded with it
    shape: str = ""  # as Deployment.shape

    def __str__(self) -> str:
        images = ", ".join(dict.fromkeys(self.images.values()))
        cause = f", {self.cause}" if self.cause else ""
        return f"revision {self.number} ({images}{cause})"


@dataclass(frozen=True, slots=True)
class Pod:
    """One replica as it runs."""

    name: str
    deployment: str
    ready: bool
    images: Mapping[str, Image]  # container → image with the digest that runs
    ending: bool = False  # terminating, may still serve requests
    restarts: int = 0
    reason: str | None = None  # why it is not ready


@dataclass(frozen=True, slots=True)
class PodResponse:
    """One pod's HTTP response. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


class Held(Protocol):
    """The cluster's lease, held."""

    def confirm(self) -> None:
        """Raise LockLost unless it is still held."""


class Cluster(Protocol):
    """The cluster as steps and checks use it."""

    bears_tokens: bool  # whether `ask` forwards a request's Authorization to the pod

    def deployments(self, *, fresh: bool = False) -> Mapping[str, Deployment]:
        """Every deployment by name, at one time. Read-only.

        The result may be slightly old, which is enough for waiting; decisions need `fresh`.
        """

    def pods(self, deployment: str) -> list[Pod]:
        """The pods of a deployment, those that are ending included. Read-only."""

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Set images by container name; nothing else in the pod template changes.

        Raises UnknownDeployment for a deployment, container or image that does not exist.
        """

    def scalers(self, deployments: Iterable[str]) -> list[str]:
        """What decides each deployment's size: `deployment/NAME`, or `hpa/NAME` where one does. Read-only."""

    def capacity(self, names: Iterable[str]) -> dict[str, int]:
        """The requested size, by `deployment/NAME`, `hpa/NAME` (minReplicas) or `cronjob/NAME` (0 suspended). Read-only."""

    def set_capacity(self, name: str, size: int) -> None:
        """Set a size; names as in `capacity`."""

    def running(self, name: str) -> int:
        """Pods that `name` (as in `capacity`) still has, those that are ending and Jobs in flight included. Read-only."""

    def settings(self, name: str) -> dict[str, str]:
        """The keys of a ConfigMap; empty if it does not exist. Read-only."""

    def put_settings(
        self,
        name: str,
        changes: Mapping[str, str | None],
        *,
        expected: Mapping[str, str | None] | None = None,
    ) -> None:
        """Write or (None) remove keys of a ConfigMap, other keys untouched, created when missing.

        With `expected`, only if these keys still have these values (None: absent), checked by the ConfigMap's version.
        Raises SettingsChanged otherwise, and nothing is written.
        """

    def hasten(self, name: str) -> None:
        """Speed up the delivery of a ConfigMap to the pods that mount it. No lasting change."""

    def ask(self, pod: Pod, path: str, headers: Mapping[str, str]) -> PodResponse:
        """GET a path of one pod, bypassing the Service.

        Raises ClusterUnreachable if the pod does not respond.
        """

    def logs(self, deployment: str, *, lines: int, failing: bool = False) -> list[str]:
        """The last lines of every pod of a deployment, a crashed container's previous ones included. Read-only.

        `failing`: only containers that are not ready.
        """

    def unready(self, deployment: str) -> list[str]:
        """Each pod of the newest template that is not ready, with its reason. Read-only."""

    def tail(self, selector: str, *, since: float) -> Tail:
        """Follows the logs of every pod that matches a label selector, from `since` seconds ago. Read-only."""

    def obstacles(self, deployments: Iterable[str]) -> list[Obstacle]:
        """Everything that would prevent a release of these deployments. Read-only.

        Paused, deleted or being deleted, managed by another tool, another kind of workload by that name, a namespace that is
        terminating, a missing permission.
        """

    def revisions(self, deployment: str) -> list[TemplateRevision]:
        """The pod templates that a deployment has had, oldest first. Raises UnknownDeployment. Read-only."""

    def template_changes(self, deployment: str, template: str) -> list[str]:
        """The differences between the current pod template and an earlier one, without images. Read-only.

        Names fields, never their values: templates carry secrets.
        """

    def template(self, deployment: str) -> str:
        """The hash of the requested pod template. Read-only."""

    def template_of(self, deployment: str, revision: str) -> str:
        """The hash of an earlier revision's pod template. Raises UnknownDeployment. Read-only."""

    def set_template(self, deployment: str, template: str) -> None:
        """Set an earlier pod template by its hash. Raises UnknownDeployment if it no longer exists."""

    def lease(self, holder: str, *, name: str = LEASE) -> AbstractContextManager[Held]:
        """Hold a lease of the cluster, by default the one of runs without the database. Raises Locked naming the holder."""
