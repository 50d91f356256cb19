"""What every test may ask for: real PostgreSQL servers, started when first asked for, and databases made from templates."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cartctl import redaction
from cartctl.adapters.postgres import Postgres
from tests.sandbox_fixture import sandbox, sandbox_session  # one for all folders of a session
from tests.services import Server, debian_server, embedded_server, packaged_server, quick_directory
from tests.source import modules

__all__ = ["sandbox", "sandbox_session"]

for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]  # the tests' servers are addressed by psycopg and PostgreSQL's own programs, too

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell's background jobs inherit it: so would every command here
    signal.signal(signal.SIGINT, signal.default_int_handler)

if (memory := quick_directory()) is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))  # for tmp_path

# A busy machine is no fault of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


LONG_TESTS = frozenset(
    line for line in Path(__file__).with_name("long_tests.txt").read_text().splitlines() if line[0] != "#"
)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark long tests, and keep those that share something slow to start on one worker."""
    for item in items:
        test = item.nodeid.partition("[")[0]
        if {test, test.partition("::")[0]} & LONG_TESTS:
            item.add_marker(pytest.mark.long)
        if isinstance(item, pytest.Function) and (group := shared_by(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def shared_by(item: pytest.Function) -> str | None:
    """What a test's group is named after: the sandbox of the session, or the module whose fixtures it uses."""
    if "sandbox_session" in item.fixturenames:
        if item.get_closest_marker("long") is None:
            return "sandbox"
        return item.module.__name__ if "deployed" in item.fixturenames else None  # too many for one worker
    if item.module.__dict__.get("modules") is modules:
        return "source"
    fixtures = [fixture for each in item._fixtureinfo.name2fixturedefs.values() for fixture in each]
    return item.module.__name__ if any(fixture.scope == "module" for fixture in fixtures) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A failing run ends with the command that runs its tests again."""
    reports = [*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())]
    names = list(dict.fromkeys(report.nodeid.partition("@")[0] for report in reports))
    if names:
        terminalreporter.section("run again")
        for name in names:
            terminalreporter.write_line(f"{sys.executable} -m pytest {shlex.quote(name)}")


@pytest.fixture(autouse=True)
def fresh_redaction() -> None:
    """No test's secrets are masked in another's output."""
    redaction.forget()


@pytest.fixture(scope="session")
def pg15() -> Iterator[Server]:
    """PostgreSQL 15 from Debian, one per session; it takes prepared transactions and logical replication."""
    with debian_server(max_prepared_transactions="5", wal_level="logical") as server:
        yield server


@pytest.fixture(scope="session")
def pg16() -> Iterator[Server]:
    """PostgreSQL 16 from the embedded package, one per session."""
    with embedded_server(16) as server:
        yield server


@pytest.fixture(scope="session")
def pg17() -> Iterator[Server]:
    """PostgreSQL 17 from a package, one per session; skips where that is not installed."""
    with packaged_server() as server:
        yield server


@pytest.fixture(scope="session")
def pg18() -> Iterator[Server]:
    """PostgreSQL 18 from the embedded package, one per session."""
    with embedded_server(18) as server:
        yield server


@pytest.fixture(scope="session", params=["pg15", "pg16", "pg18"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each supported server in turn."""
    result = request.getfixturevalue(request.param)
    assert isinstance(result, Server)
    return result


@pytest.fixture
def empty_database(pg18: Server) -> Iterator[Postgres]:
    """A database without anything in it, dropped afterwards."""
    database = pg18.create_database()
    yield database
    pg18.drop(database)


@pytest.fixture
def platform_database(pg18: Server) -> Iterator[Postgres]:
    """A database with the platform's tables, empty, dropped afterwards."""
    database = pg18.create_platform()
    yield database
    pg18.drop(database)


@pytest.fixture(scope="session")
def migrated_template(pg18: Server) -> str:
    """The name of a database with the platform's tables and the cart's."""
    from cartctl.config.model.environment import Database
    from cartctl.config.values import Secret
    from cartctl.database.migrations.apply import deploy
    from cartctl.engine.pulse import Pulse

    database = pg18.create_platform()
    deploy(database, Database(dsn=Secret(literal=database.dsn)), "template", Pulse())
    return pg18.name_of(database)


@pytest.fixture
def migrated(pg18: Server, migrated_template: str) -> Iterator[Postgres]:
    """A database that cartctl has migrated, dropped afterwards."""
    database = pg18.create_database(migrated_template)
    yield database
    pg18.drop(database)
