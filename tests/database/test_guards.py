"""Servers that cannot be migrated through the connection given."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.database.guards import refuse_unwritable
from cartctl.errors import Refused
from tests.services import Server, standby_of


@dataclass
class Pooled:
    """A connection whose statements reach another backend than the one that greeted, as behind a pooler."""

    real: Connection

    @property
    def info(self) -> SimpleNamespace:
        """What the greeting said."""
        return SimpleNamespace(backend_pid=self.real.info.backend_pid + 1)

    def execute(self, *given: Any) -> Any:
        """Run a statement."""
        return self.real.execute(*given)


def test_a_pooler_in_transaction_mode_is_refused(migrated: Postgres) -> None:
    """When the backend is not the one that greeted, session locks and settings would not hold."""
    with migrated.session("tests") as connection, pytest.raises(Refused, match="transaction mode"):
        refuse_unwritable(cast("Connection", Pooled(connection)))


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
