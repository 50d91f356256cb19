"""A real sandbox for tests: one per session, put back to its beginning before each test that asks for it.

The root `conftest.py` brings it to every folder, so that a session has one; a folder that imports it anew has one of its own.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.adapters.supervisor.cluster import Processes
from cartctl.sandbox.access import make_flags
from cartctl.sandbox.data.seed import seed
from cartctl.sandbox.down import down
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import DATABASE
from cartctl.sandbox.status import SandboxStatus, ask_supervisor
from cartctl.sandbox.up import up
from tests.services import quick_directory

__all__ = ["Sandbox", "drop_the_cart", "sandbox", "sandbox_session", "wait_for"]

SIZES = {"payment-api": 2, "admin-dashboard": 1, "job-worker": 1}
PLATFORM = ("companies", "sites", "customers", "products", "orders")
STRAY = """
SELECT format('DROP TABLE IF EXISTS public.%%I CASCADE', relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> ALL (%(platform)s)
UNION ALL SELECT format('DROP TYPE IF EXISTS public.%%I CASCADE', typname) FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
UNION ALL SELECT format('DROP VIEW IF EXISTS public.%%I CASCADE', relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
"""


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until `what` gives something true; fails after so many seconds, which a busy machine may need."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.02)


@dataclass
class Sandbox:
    """A running sandbox and the doors to it."""

    state_directory: Path  # what CARTCTL_STATE_DIR must be
    status: SandboxStatus

    @property
    def layout(self) -> Layout:
        """Its files."""
        return Layout((self.state_directory / "sandbox" / "default").resolve())

    @property
    def control(self) -> tuple[str, str]:
        """The address of its supervisor, and the secret; a busy machine's supervisor may need a while."""
        states: list[dict[str, Any]] = []

        def responds() -> bool:
            state = ask_supervisor(self.layout)
            states.extend([state] if state is not None else [])
            return bool(states)

        wait_for(responds)
        secret = self.layout.secret.read_text(encoding="utf-8").strip()
        return f"http://127.0.0.1:{states[0]['control']}", secret

    @property
    def cluster(self) -> Processes:
        """Its supervisor, as steps see it."""
        return Processes(*self.control)

    @property
    def database(self) -> Postgres:
        """Its database, as the deployer."""
        assert self.status.dsn
        return Postgres(self.status.dsn)

    @property
    def superuser(self) -> Postgres:
        """Its database, as the superuser."""
        return Postgres(EmbeddedPostgres(self.layout.postgres).dsn("postgres", DATABASE))

    @property
    def api(self) -> Http:
        """Its API, as the internal company's admin."""
        assert self.status.api_url
        return Http(self.status.api_url, token=self.layout.token.read_text(encoding="utf-8").strip())

    @property
    def dashboard(self) -> Http:
        """Its dashboard, as the internal company's admin."""
        assert self.status.dashboard_url
        return Http(self.status.dashboard_url, token=self.layout.token.read_text(encoding="utf-8").strip())

    def settled(self) -> bool:
        """Whether every deployment is what was asked for."""
        return all(result.complete for result in self.cluster.deployments().values())

    def reset(self) -> None:
        """Version 1.0.0 everywhere, no cart in the database, no settings, no runs."""
        for path in self.state_directory.iterdir():
            if path.name != "sandbox":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for folder in self.layout.settings.iterdir():
            shutil.rmtree(folder)
        make_flags(self.layout)
        self._reset_deployments()
        with self.superuser.session("reset", autocommit=False) as connection:
            _reset_database(connection)

    def _reset_deployments(self) -> None:
        cluster = self.cluster
        for name, result in cluster.deployments().items():
            cluster.set_images(name, dict.fromkeys(result.images, "1.0.0"), cause="reset")
            cluster.set_capacity(f"deployment/{name}", SIZES[name])
        wait_for(self.settled)


def drop_the_cart(connection: Connection) -> None:
    """Drop every table, enum and view that is not the platform's; the caller commits."""
    for (statement,) in connection.execute(STRAY, {"platform": list(PLATFORM)}).fetchall():
        connection.execute(statement)


def _reset_database(connection: Connection) -> None:
    connection.execute("DROP SCHEMA IF EXISTS cartctl CASCADE")
    connection.execute("DROP SCHEMA IF EXISTS cartctl_journal CASCADE")
    drop_the_cart(connection)
    connection.execute("TRUNCATE companies CASCADE")
    seed(connection)


@pytest.fixture(scope="session")
def sandbox_session() -> Iterator[Sandbox]:
    """A sandbox for the whole session, purged at its end. Its path is short: it holds a unix socket."""
    directory = Path(tempfile.mkdtemp(prefix="cartctl-", dir=quick_directory()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTCTL_STATE_DIR", str(directory))
        status = up("default", lambda _: None)
    yield Sandbox(directory, status)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTCTL_STATE_DIR", str(directory))
        down("default", lambda _: None, purge=True)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def sandbox(sandbox_session: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The session's sandbox as it was in the beginning; `CARTCTL_STATE_DIR` points to it. Mended when a test broke it."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(sandbox_session.state_directory))
    for name in ("CARTCTL_ENV", "CARTCTL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    sandbox_session.status = up("default", lambda _: None)
    sandbox_session.reset()
    return sandbox_session
