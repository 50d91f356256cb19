"""What the statements of all background jobs have in common. Locked rows are skipped: workers never wait for each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Update

from cartctl.cart.store.sql_engine import Statement

BATCH = 500

T = TypeVar("T")

Companies = Sequence[str] | None  # None: all of them


def of_companies(due: Statement, column: Any, companies: Companies) -> Statement:
    """The rows of some companies."""
    if companies is None:
        return due
    return due.where(column == companies[0]) if len(companies) == 1 else due.where(column.in_(companies))


def locked_batch(due: Statement, size: int) -> Any:
    """The rows a batch works on, locked; those that others work on are skipped. Materialized, so that it runs once."""
    batch = due.limit(size).with_for_update(skip_locked=True, of=due.column_descriptions[0]["entity"])
    return batch.cte("taken").prefix_with("MATERIALIZED", dialect="postgresql")


@dataclass
class Position:
    """How far a run of many batches has come in the order of its rows: the next one begins `at` that time.

    What the run has passed and left alone is not passed again with each batch. The run is at its end when a batch that began
    at the beginning has taken nothing.
    """

    at: datetime | None = None

    def take(
        self, rows_since: Callable[[datetime | None], list[T]], time_of: Callable[[T], datetime], size: int
    ) -> list[T]:
        """The rows of the next batch, from here on, or from the beginning where nothing is left."""
        rows = rows_since(self.at)
        if not rows and self.at is not None:
            rows = rows_since(None)
        self.at = max(map(time_of, rows)) if len(rows) == size else None
        return rows


def changed(connection: Connection, change: Update) -> int:
    """Run a change; gives the number of rows."""
    return connection.execute(change, execution_options={"synchronize_session": False}).rowcount
