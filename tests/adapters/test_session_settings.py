"""Whatever a server, database, role or PGOPTIONS sets, a session of ours has the same settings, and so have the tools."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres.settings import as_options, pinned
from tests.odd_settings import ODD, alter_database, alter_role, as_pgoptions, odd_for
from tests.services import Server

ROLE = "odd_settings"


@pytest.fixture
def asking(server: Server) -> Iterator[Postgres]:
    """An empty database on each server in turn, for a role of its own."""
    database = server.create_database()
    server.execute(f"CREATE ROLE {ROLE} LOGIN")
    yield database.as_user(ROLE)
    server.drop(database)
    server.execute(f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("route", ("database", "role", "options"))
def test_the_session_is_the_same(
    server: Server, asking: Postgres, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every setting of the table has our value after ALTER DATABASE, ALTER ROLE or PGOPTIONS have set another."""
    odd = odd_for(server.version)
    expected = settings_of(asking, tuple(odd))
    match route:
        case "database":
            alter_database(asking.as_user("postgres"), odd)
        case "role":
            alter_role(asking.as_user("postgres"), ROLE, odd)
        case _:
            monkeypatch.setenv("PGOPTIONS", as_pgoptions(odd))
    assert settings_of(asking, tuple(odd)) == expected
    assert not {name for name, value in expected.items() if value == odd[name]}
    dsn, environment = asking.for_tools()
    result = conninfo_to_dict(dsn)
    with asking.session("tests") as connection:
        ours = as_options(pinned(connection.info.server_version))
    assert str(result["options"]).endswith(ours)
    assert (result["client_encoding"], environment["LC_ALL"]) == ("UTF8", "C")


def settings_of(database: Postgres, names: tuple[str, ...]) -> dict[str, str]:
    """The values that a session of ours has."""
    with database.session("tests") as connection:
        return {
            name: str((connection.execute("SELECT current_setting(%s)", (name,)).fetchone() or ("",))[0])
            for name in names
        }


@pytest.mark.parametrize("statement", ("ALTER DATABASE {database} SET {set}", "ALTER ROLE {role} SET {set}"))
def test_a_read_only_default_stays(server: Server, asking: Postgres, statement: str) -> None:
    """What is not ours to lift: a session of a database or role that only reads by default only reads."""
    parts = {"database": f'"{asking.name}"', "role": ROLE, "set": "default_transaction_read_only = on"}
    server.execute(statement.format(**parts))
    assert settings_of(asking, ("transaction_read_only",)) == {"transaction_read_only": "on"}
    assert "read_only" not in asking.for_tools()[0]


def test_the_table_is_complete() -> None:
    """Each pinned setting has an odd value in the table; two are not pinned by their default."""
    assert set(pinned(180000)) - {"row_security"} == set(ODD) - {"client_encoding", "synchronous_commit"}
