"""Stops the processes of a sandbox; `purge` also removes all its files."""

import shutil
from collections.abc import Callable

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.config.load import environment_directory, load_environment
from cartctl.sandbox import prometheus
from cartctl.sandbox.background import supervisor
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.names import socket_directory
from cartctl.sandbox.status import SandboxStatus, read_status
from cartctl.sandbox.supervisor.state import State
from cartctl.sandbox.up import alone, lock_file


def down(name: str, say: Callable[[str], None], *, purge: bool = False) -> SandboxStatus:
    """Stop the sandbox `name`; nothing to do if it is down. Raises UsageError and Locked as `up` does."""
    layout = Layout(checked_directory(name))
    with alone(layout):
        if layout.directory.exists():
            _stop(layout, say)
        if purge:
            say("removing its files")
            _purge(layout)
    return read_status(name)


def _purge(layout: Layout) -> None:
    """Remove everything, including a socket directory elsewhere (for a path that is too long for a socket)."""
    with effect("sandbox.purge"):
        if layout.application_dsn.exists():
            shutil.rmtree(
                socket_directory(layout.application_dsn.read_text(encoding="utf-8")), ignore_errors=True
            )
        if layout.config.exists():
            state = environment_directory(load_environment(str(layout.config), "sandbox"))
            shutil.rmtree(state, ignore_errors=True)
        if layout.directory.exists():
            shutil.rmtree(layout.directory)
        lock_file(layout).unlink(missing_ok=True)


def _stop(layout: Layout, say: Callable[[str], None]) -> None:
    say("stopping the replicas and the supervisor")
    supervisor(layout).stop()
    State.load(layout).end_left_behind()
    metrics = prometheus.find(layout)
    if metrics is not None:
        metrics.program.stop()
    say("stopping PostgreSQL")
    EmbeddedPostgres(layout.postgres).stop()
