"""Servers that cannot be migrated through the connection given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.migrations.guards import refuse_unwritable
from cartctl.errors import Refused
from tests.database.test_command import Cartctl
from tests.database.test_migrate import run_sql
from tests.services import Server, standby_of


@pytest.fixture
def standby(pg15: Server) -> Iterator[Postgres]:
    """A streaming standby of PostgreSQL 15."""
    with standby_of(pg15) as database:
        yield database


def test_a_standby_is_refused(standby: Postgres) -> None:
    """A standby is named as one, with the hint to look for the primary."""
    with standby.session("tests") as connection, pytest.raises(Refused, match="standby") as refused:
        refuse_unwritable(connection)
    assert "primary" in refused.value.hint


@pytest.mark.parametrize("line", ("migrate deploy", "migrate deploy --dry-run", "migrate adopt", "rehearse"))
def test_a_database_that_takes_no_writes_is_left_alone(
    pg18: Server, platform_database: Postgres, tmp_path: Path, line: str
) -> None:
    """A frozen database is refused in a sentence before anything, cartctl's journal included, is made."""
    name = pg18.name_of(platform_database)
    pg18.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    refused = Cartctl(tmp_path, platform_database)(*line.split())
    assert (refused.returncode, refused.stdout) == (3, ""), refused.stderr
    assert "hint: " in refused.stderr
    assert run_sql(platform_database, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'cartctl%'") == [
        (0,)
    ]
