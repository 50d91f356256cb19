"""Servers that cannot be migrated through the connection given."""

from collections.abc import Iterator

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.guards import refuse_unwritable
from cartctl.errors import Refused
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
