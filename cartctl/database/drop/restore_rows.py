"""Restore the cart's rows from a dump, unchanged and in one transaction."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Jsonb, Postgres, SqlFailed, sql, translated
from cartctl.adapters.postgres.blockers import ACCESS_EXCLUSIVE, endings, lock_holders, named
from cartctl.adapters.postgres.sync_wait import bounded_sync_wait
from cartctl.adapters.postgres_server.pg_tools import PgTools, find_tools
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects
from cartctl.database.contract.definition import SCHEMA, required_tables
from cartctl.database.contract.existing_objects import holds_rows
from cartctl.database.drop.plan import drop_order
from cartctl.database.drop.saved_rows import save_rows
from cartctl.database.migrations.guards import PLATFORM, refuse_unwritable
from cartctl.database.migrations.status import act_as_owner_if_allowed, become_owner
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed

FOREIGN_KEY = "23503"
LOCK_NOT_AVAILABLE = "55P03"
MARK = b"""CREATE TABLE IF NOT EXISTS cartctl.put_back (
    run TEXT PRIMARY KEY, source TEXT NOT NULL, rows JSONB NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())"""


@dataclass(frozen=True, slots=True)
class RowSource:
    """Rows to restore: a readable dump, the SHA-256 of its files, and the row count of each cart table in it."""

    name: str
    dump: Path
    files: Mapping[str, str]
    rows: Mapping[str, int]


OpenRowSource: TypeAlias = Callable[[], AbstractContextManager[RowSource]]
"""Opens the rows to restore; may fetch and decrypt them."""


@dataclass(frozen=True, slots=True)
class RestoredRows:
    """The restored rows, by table."""

    kind: ClassVar[str] = "put_back"

    source: str
    rows: Mapping[str, int]
    replaced: str | None = None  # the directory of the previous rows
    warnings: tuple[str, ...] = ()


def find_restored_rows(
    postgres: Postgres, settings: Database, run: str, source: str | None = None
) -> RestoredRows | None:
    """What this run has already restored, recorded in the same transaction. Read-only.

    With `source` also what an earlier run restored from it, while the tables still hold rows.
    """
    with (
        postgres.session("restore rows") as connection,
        act_as_owner_if_allowed(connection, settings),
    ):
        if connection.execute("SELECT to_regclass('cartctl.put_back')::text").fetchone() == (None,):
            return None
        row = connection.execute(
            """SELECT source, rows, run FROM cartctl.put_back WHERE run = %s OR source = %s
               ORDER BY run = %s DESC, at DESC LIMIT 1""",
            (run, source, run),
        ).fetchone()
        if row is None or (row[2] != run and not full_tables(connection)):
            return None
        return RestoredRows(row[0], row[1])


def full_tables(connection: Connection) -> list[str]:
    """The cart's tables that hold rows; a missing table holds none. Read-only."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname = ANY (%s)",
        (list(our_tables()),),
    ).fetchall()
    there = {str(row[0]) for row in rows}
    return [name for name in our_tables() if name in there and holds_rows(connection, name)]


def restore_rows(
    postgres: Postgres,
    settings: Database,
    source: RowSource,
    run: str,
    pulse: Pulse,
    *,
    replacing: Path | None = None,
) -> RestoredRows:
    """Copy the rows of `source` into the cart's empty tables; with `replacing`, save existing rows to it first.

    Raises Refused before any change for a damaged dump, missing tables and tables that hold rows; StepFailed, with
    nothing changed, when a row refers to a missing one. Row counts are compared with `source` before the commit.
    """
    refuse_damaged(source)
    with postgres.session("restore rows", autocommit=False, lock_timeout="5s") as connection:
        become_owner(connection, settings)
        refuse_unwritable(connection)
        order = _order(connection, source)
        with _naming_blockers(connection, order), pulse.cancelling(connection.cancel_safe):
            replaced = _clear(postgres.acting_as(settings.owner_role), connection, order, replacing, pulse)
            tools = find_tools(connection.info.server_version)
            _copy_all(connection, tools, source, order, pulse)
            _record(connection, source, run)
        watch_session = partial(postgres.session, "sync wait")
        with bounded_sync_wait(watch_session, connection) as wait, effect("postgres.put_back"):
            connection.commit()
        connection.autocommit = True
        with pulse.cancelling(connection.cancel_safe):
            for table in order:
                connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(SCHEMA, table)))
    place = str(replacing) if replaced else None
    return RestoredRows(source.name, dict(source.rows), place, wait.warnings)


@contextmanager
def _naming_blockers(connection: Connection, tables: list[str]) -> Iterator[None]:
    """Name the blockers of a lock that timed out. Raises StepFailed."""
    try:
        with translated():
            yield
    except SqlFailed as failed:
        if failed.sqlstate != LOCK_NOT_AVAILABLE:
            raise
        connection.rollback()
        blocking = lock_holders(connection, [*PLATFORM, *tables], ACCESS_EXCLUSIVE)
        raise StepFailed(
            f"The cart's tables could not be locked ({failed.message}); nothing was restored. "
            f"Blocked by: {named(blocking)}.",
            hint=endings(blocking, "Then run the command again."),
        ) from failed


def our_tables() -> tuple[str, ...]:
    """The names of the cart's tables, in schema public."""
    return tuple(table.name for table in required_tables())


def refuse_damaged(source: RowSource) -> None:
    """Raise Refused for a dump with damaged files or without the cart's tables. Read-only."""
    for name, checksum in source.files.items():
        path = source.dump / name
        if not path.is_file() or _checksum(path) != checksum:
            raise Refused(
                f"The rows to restore from {source.name} are damaged: checksum mismatch in {name}.",
                hint="Use another snapshot: cartctl snapshot list",
            )
    if not any(name in source.rows for name in our_tables()):
        raise Refused(
            f"{source.name} does not contain the cart's tables.", hint="Choose a snapshot that includes them."
        )


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _order(connection: Connection, source: RowSource) -> list[str]:
    """Referred tables first, by the live foreign keys."""
    catalogue = read_catalogue(connection)
    there = CatalogueObjects(catalogue).tables
    tables = [name for name in our_tables() if name in source.rows]
    if missing := [name for name in tables if f"{SCHEMA}.{name}" not in there]:
        raise Refused(
            f"Missing tables: {', '.join(missing)}.", hint="Create them first: cartctl migrate deploy"
        )
    return drop_order(catalogue, tables)[::-1]


def _clear(
    postgres: Postgres, connection: Connection, order: list[str], replacing: Path | None, pulse: Pulse
) -> bool:
    """Lock out writers and empty the tables; return whether rows were saved and removed."""
    names = sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in order)
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(names))
    full = [name for name in order if holds_rows(connection, name)]
    if full and replacing is None:
        raise Refused(
            f"The tables already hold rows: {', '.join(full)}. Nothing was restored.",
            hint="To replace them: cartctl snapshot restore --cart-only --allow-data-loss; they are saved first.",
        )
    if full and replacing is not None:
        save_rows(postgres, connection, order, replacing, pulse)
        for name in reversed(order):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(SCHEMA, name)))
    return bool(full)


def _copy_all(
    connection: Connection, tools: PgTools, source: RowSource, order: list[str], pulse: Pulse
) -> None:
    done, total = 0, sum(source.rows[name] for name in order)
    for name in order:
        try:
            _copy(connection, tools, source.dump, name)
        except SqlFailed as failed:
            if failed.sqlstate == FOREIGN_KEY:
                raise _dangling(name, failed) from failed
            raise
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(SCHEMA, name))
        ).fetchone()
        if row != (source.rows[name],):
            raise StepFailed(
                f"{row and row[0]} rows of {name} were restored instead of {source.rows[name]}; nothing was committed.",
                hint="Verify the snapshot: cartctl snapshot verify",
            )
        done += source.rows[name]
        pulse.progress(done, total, "rows")


def _copy(connection: Connection, tools: PgTools, dump: Path, name: str) -> None:
    with tools.rows(dump, SCHEMA, name) as rows, translated():
        if rows.copy:
            connection.execute("SELECT set_config('client_encoding', %s, true)", (rows.encoding,))
            _feed(connection, rows.copy, rows.blocks())
            connection.execute("SET LOCAL client_encoding = 'UTF8'")


def _feed(connection: Connection, statement: bytes, blocks: Iterator[bytes]) -> None:
    with connection.cursor().copy(statement) as copy:
        for block in blocks:
            copy.write(block)


def _dangling(name: str, failed: SqlFailed) -> StepFailed:
    return StepFailed(
        f"A row of {name} refers to a missing row: {failed.message}. Nothing was restored.",
        hint="Restore the missing platform row, or the whole snapshot: cartctl snapshot restore",
    )


def _record(connection: Connection, source: RowSource, run: str) -> None:
    schema: tuple[Any, ...] | None = connection.execute("SELECT to_regnamespace('cartctl')::text").fetchone()
    if schema == (None,):  # tables of another tool, not adopted
        return
    connection.execute(MARK)
    connection.execute(
        "INSERT INTO cartctl.put_back (run, source, rows) VALUES (%s, %s, %s)",
        (run, source.name, Jsonb(dict(source.rows))),
    )
