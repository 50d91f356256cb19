"""The current status of a sandbox. Read-only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.config.load import sandbox_directory
from cartctl.sandbox.background import supervisor
from cartctl.sandbox.images import IMAGES
from cartctl.sandbox.layout import Layout, read_json
from cartctl.sandbox.names import DATABASE, DEPLOYER

CONTROL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class SandboxDeployment:
    """A deployment of the sandbox."""

    name: str
    image: str
    revision: str
    replicas: int
    ready: int


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """A sandbox: its addresses, files and deployments."""

    kind: ClassVar[str] = "sandbox"

    name: str
    state: Literal["up", "down", "degraded"]
    dsn: str | None
    api_url: str | None
    dashboard_url: str | None
    prometheus_url: str | None
    token_file: Path
    flags_file: Path
    config: Path
    deployments: tuple[SandboxDeployment, ...]
    images: tuple[str, ...] = IMAGES


def read_status(name: str) -> SandboxStatus:
    """The status of the sandbox `name`; one that was never created is down."""
    layout = Layout(sandbox_directory(name).resolve())
    server = EmbeddedPostgres(layout.postgres)
    running = server.running()
    status = ask_supervisor(layout)
    deployments = tuple(
        _deployment(deployment) for deployment in (status or {}).get("deployments", {}).values()
    )
    settled = (
        bool(status)
        and running
        and all(deployment.ready >= deployment.replicas for deployment in deployments)
    )
    ports = (status or {}).get("ports", {})
    return SandboxStatus(
        name=name,
        state="up" if settled else "degraded" if status or running else "down",
        dsn=server.dsn(DEPLOYER, DATABASE) if running else None,
        api_url=_url(ports.get("payment-api")),
        dashboard_url=_url(ports.get("admin-dashboard")),
        prometheus_url=_prometheus(layout),
        token_file=layout.token,
        flags_file=layout.settings / "cart-flags" / "flags.json",
        config=layout.config,
        deployments=deployments,
    )


def ask_supervisor(layout: Layout) -> dict[str, Any] | None:
    """The status from the running supervisor, with its control port; None when there is none."""
    port = (read_json(layout.supervisor) or {}).get("port")
    if not port or supervisor(layout).process() is None:
        return None  # another program may use the port by now and must not receive the secret
    secret = layout.secret.read_text(encoding="utf-8").strip()
    try:
        response = Http(f"http://127.0.0.1:{port}", token=secret, timeout=CONTROL_SECONDS).get("/status")
    except HttpUnreachable:
        return None
    if not response.ok:
        return None
    status: dict[str, Any] = response.json()
    return {**status, "control": port} if status.get("directory") == str(layout.directory) else None


def _deployment(status: dict[str, Any]) -> SandboxDeployment:
    [image] = status["images"].values()
    return SandboxDeployment(status["name"], image, status["revision"], status["replicas"], status["ready"])


def _url(port: int | None) -> str | None:
    return f"http://127.0.0.1:{port}" if port else None


def _prometheus(layout: Layout) -> str | None:
    from cartctl.sandbox.prometheus import find

    server = find(layout)
    return server.url if server and server.program.process() is not None else None
