"""A deployment of migrations, a snapshot with its drill, a rehearsal and a rollback on servers with other people's settings."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartctl.adapters.postgres import OwnPostgres, Postgres
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.config.model.environment import Environment
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.drop.restore_rows import RowSource, restore_rows
from cartctl.database.drop.saved_rows import read_saved
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.plans.database.rehearse import rehearse
from cartctl.ports import Ports
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.drill import drill
from cartctl.snapshots.storage.local import Store
from tests.database.test_drop import CART, Deployed
from tests.database.test_migrate import run_sql
from tests.odd_settings import ODD, alter_database, alter_role, as_pgoptions, odd_for
from tests.services import PLATFORM_SQL, Server, long

ROLE = "odd_deployer"
ROUTES = ("database", "role", "options")
UMLAUT = "UPDATE companies SET name = 'Bücher'"
Environments = Callable[[Postgres], Environment]


@pytest.fixture(scope="module")
def scratch() -> Iterator[OwnPostgres]:
    """A server of our own to rehearse and drill on, shared, with the deployer's role."""
    with scratch_server(18) as result:
        run_sql(result, f"CREATE ROLE {ROLE} LOGIN SUPERUSER")
        yield result


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environments:
    """Makes an environment around a database."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))

    def make(database: Postgres) -> Environment:
        return Environment.model_validate(
            {
                "name": "test",
                "database": {"dsn": database.dsn},
                "cluster": {"kind": "kubernetes"},
                "http": {"api": "http://127.0.0.1:1"},
            }
        )

    return make


@contextmanager
def as_deployer(server: Server, database: Postgres) -> Iterator[Postgres]:
    """A database as a superuser of its own, whose settings are nobody else's, for the block."""
    server.execute(f"CREATE ROLE {ROLE} LOGIN SUPERUSER")
    try:
        yield database.as_user(ROLE)
    finally:
        server.drop(database)
        server.execute(f"DROP ROLE {ROLE}")


def everything(database: Postgres, environment: Environments, scratch: OwnPostgres, place: Path) -> None:
    """Rehearse, migrate, verify, snapshot and drill, roll back with rows, migrate again, restore the rows."""
    env, pulse, store = environment(database), Pulse(), Store(place / "snapshots")
    with Ports(env) as ports:
        checks = rehearse(ports, pulse, server=scratch.dsn, with_data=None)
    assert checks.verdict is Verdict.PASS, checks.bad()
    done = Deployed(database, env.database, place / "first")
    assert verify(database, env.database).verdict is Verdict.PASS
    run_sql(database, *CART.split(";"), UMLAUT)
    create(Subject("test", database, fingerprint_hash), store, "one", pulse)
    drilled = drill(store, "one", scratch, fingerprint_hash, pulse, ours=True)
    assert drilled.verdict is Verdict.PASS, drilled.bad()
    gone = done.drop(data_loss=True)
    assert (gone["rows"], done.left()) == (4, [])
    again = Deployed(database, env.database, place / "second")
    assert len(again.results["migrate"]["applied"]) == 3
    saved = read_saved(Path(gone["saved"]))
    assert saved is not None
    kept = RowSource("rows", Path(gone["saved"]) / "dump", saved.files, saved.rows)
    assert sum(restore_rows(database, env.database, kept, "run", pulse).rows.values()) == 4
    assert run_sql(database, "SELECT name, (SELECT count(*) FROM carts) FROM companies") == [("Bücher", 3)]


def set_on(server: Server, database: Postgres, route: str, odd: dict[str, str]) -> dict[str, str]:
    """Set them by one of the routes; what the environment must hold for it."""
    match route:
        case "database":
            alter_database(server.database(database.name), odd)
        case "role":
            alter_role(server.database(database.name), ROLE, odd)
        case _:
            return {"PGOPTIONS": as_pgoptions(odd)}
    return {}


@pytest.mark.parametrize("version", ("pg17", "pg18"))
def test_all_at_once(
    request: pytest.FixtureRequest,
    version: str,
    environment: Environments,
    scratch: OwnPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each route sets its third of the table; nothing fails, and the server's encoding is not UTF-8 either."""
    server: Server = request.getfixturevalue(version)
    with as_deployer(server, _encoded(server, "LATIN1")) as database:
        names = list(ODD)
        for number, route in enumerate(ROUTES):
            odd = {name: ODD[name] for name in names[number::3]}
            for name, value in set_on(server, database, route, odd).items():
                monkeypatch.setenv(name, value)
        everything(database, environment, scratch, tmp_path)


@long
@pytest.mark.parametrize("version", ("pg15", "pg16", "pg17", "pg18"))
@pytest.mark.parametrize(("name", "route"), tuple(itertools.product(ODD, ROUTES)))
def test_each_by_itself(
    request: pytest.FixtureRequest,
    version: str,
    name: str,
    route: str,
    environment: Environments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every setting by every route on every server."""
    server: Server = request.getfixturevalue(version)
    if name not in odd_for(server.version):
        return
    scratch: OwnPostgres = request.getfixturevalue("scratch")
    with as_deployer(server, server.create_platform()) as database:
        for variable, value in set_on(server, database, route, {name: ODD[name]}).items():
            monkeypatch.setenv(variable, value)
        everything(database, environment, scratch, tmp_path)


def test_an_encoding_without_rules(
    pg18: Server, environment: Environments, scratch: OwnPostgres, tmp_path: Path
) -> None:
    """A database in SQL_ASCII holds bytes that are no text in any encoding; they are saved and come back as they were."""
    with as_deployer(pg18, _encoded(pg18, "SQL_ASCII")) as database:
        run_sql(database, "CREATE TABLE raw (value text)")
        with database.session("tests") as connection:
            connection.execute("SET client_encoding = SQL_ASCII")
            connection.execute(b"INSERT INTO raw VALUES ('\xff\xfe')")
        everything(database, environment, scratch, tmp_path)


@pytest.mark.parametrize("whose", ("DATABASE {database}", "ROLE {role}"))
def test_a_read_only_default_is_refused(
    pg18: Server, environment: Environments, scratch: OwnPostgres, tmp_path: Path, whose: str
) -> None:
    """What would change the database is refused and changes nothing; a snapshot, which reads, is taken."""
    with as_deployer(pg18, pg18.create_platform()) as database:
        env, store = environment(database), Store(tmp_path / "snapshots")
        done = Deployed(database, env.database, tmp_path / "first")
        run_sql(database, *CART.split(";"))
        statement = whose.format(database=f'"{database.name}"', role=ROLE)
        pg18.execute(f"ALTER {statement} SET default_transaction_read_only = on")
        create(Subject("test", database, fingerprint_hash), store, "one", Pulse())
        kept = RowSource("rows", tmp_path, {}, {"carts": 3})
        refused: tuple[Callable[[], object], ...] = (
            lambda: done.drop(data_loss=True),
            lambda: Deployed(database, env.database, tmp_path / "second"),
            lambda: restore_rows(database, env.database, kept, "run", Pulse()),
            lambda: rehearse(Ports(env), Pulse(), server=scratch.dsn, with_data=None),
        )
        for act in refused:
            with pytest.raises(Refused, match=r"read-only|takes no writes|journal"):
                act()
        assert run_sql(database, "SELECT count(*) FROM carts") == [(3,)]


def _encoded(server: Server, encoding: str) -> Postgres:
    """A new database in this encoding with the platform's tables."""
    name = f"odd_{encoding.lower()}"
    server.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING {encoding} LOCALE 'C'")
    database = server.database(name)
    run_sql(database, PLATFORM_SQL.read_text())
    return database
