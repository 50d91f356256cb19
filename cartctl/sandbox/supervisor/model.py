"""The desired state (Spec), a replica (Pod), and the sandbox's three deployments."""

import subprocess
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cartctl.sandbox.images import FIRST, digest, resolve

Role = Literal["api", "web", "worker"]


@dataclass(slots=True)
class Revision:
    """A template that a deployment has had."""

    number: int
    images: dict[str, str]
    cause: str
    at: str


@dataclass(slots=True)
class Spec:
    """The desired state of a deployment; `generation` counts its changes, `observed` is the one the controller has seen."""

    name: str
    role: Role
    container: str
    replicas: int
    images: dict[str, str]
    port: int | None = None  # port of the shared listening socket; None before the first start
    paused: bool = False
    generation: int = 1
    observed: int = 0
    history: list[Revision] = field(default_factory=list)

    @property
    def revision(self) -> int:
        """The number of the newest template."""
        return self.history[-1].number

    @property
    def serves(self) -> bool:
        """Whether clients connect to it."""
        return self.role != "worker"

    @classmethod
    def load(cls, document: dict[str, Any]) -> "Spec":
        """A spec from `dump`'s values."""
        return cls(**{**document, "history": [Revision(**item) for item in document["history"]]})

    def dump(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(slots=True, eq=False)
class Pod:
    """One replica; its record outlives the processes that crash."""

    name: str
    deployment: str
    container: str
    image: str
    revision: int
    process: subprocess.Popen[bytes] | None = None
    port: int | None = None
    ready: bool = False
    misses: int = 0  # probes failed in a row
    probed: float = 0.0  # when the last probe ended, monotonic seconds
    probing: bool = False
    started: float = 0.0
    restarts: int = 0
    crashes: int = 0  # in a row, for the back-off
    retry_at: float | None = None
    ending: float | None = None  # when its end was requested
    accepting: bool = True  # until it has closed its sockets
    reason: str | None = None

    @property
    def up(self) -> bool:
        """Ready and not ending."""
        return self.ready and self.ending is None

    @property
    def counts(self) -> bool:
        """Whether a new client could still reach it."""
        return self.ending is None or (self.accepting and self.process is not None)

    def document(self) -> dict[str, Any]:
        """As the control API returns it."""
        version = resolve(self.image)
        ran = digest(version) if version and self.port else None
        return {
            "name": self.name,
            "deployment": self.deployment,
            "ready": self.up,
            "ending": self.ending is not None,
            "images": {self.container: {"ref": self.image, "digest": ran}},
            "restarts": self.restarts,
            "reason": "Terminating" if self.ending is not None else self.reason,
            "port": self.port,
            "revision": self.revision,
        }


def first_specs(at: str) -> dict[str, Spec]:
    """The three deployments of a new sandbox, at the version before the cart. `at` is ISO 8601."""
    rows: tuple[tuple[str, Role, str, int], ...] = (
        ("payment-api", "api", "api", 2),
        ("admin-dashboard", "web", "web", 1),
        ("job-worker", "worker", "worker", 1),
    )
    return {
        name: Spec(
            name=name,
            role=role,
            container=container,
            replicas=replicas,
            images={container: FIRST},
            history=[Revision(1, {container: FIRST}, "first start", at)],
        )
        for name, role, container, replicas in rows
    }
