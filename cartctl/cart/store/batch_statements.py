"""What the statements of all background jobs have in common. Locked rows are skipped: workers never wait for each other."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Update

from cartctl.cart.store.sql_engine import Statement

BATCH = 500

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


def changed(connection: Connection, change: Update) -> int:
    """Run a change; gives the number of rows."""
    return connection.execute(change, execution_options={"synchronize_session": False}).rowcount
