"""The journal's stores: the database and a local file.

The database is authoritative. The local file and the cluster's replica serve a code rollback without the database.
"""

import os
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Jsonb, Postgres, SqlFailed, translated
from cartctl.adapters.postgres.sync_wait import bounded_sync_wait
from cartctl.derived_names import LOCAL_FILE, derive_name, fit_name
from cartctl.engine.events import RUN, Event, EventKind
from cartctl.engine.journal.lines import DamagedJournal, read_file, read_rows, to_line
from cartctl.engine.journal.sentences import recordable
from cartctl.errors import Refused
from cartctl.private_files import open_private, private_directory, write_private

ITSELF = "journal"  # the run id of the journal's own first event
RECENT = 10  # runs; more cannot start while the database is unreachable

_TABLE = """
CREATE SCHEMA IF NOT EXISTS cartctl_journal;
CREATE TABLE IF NOT EXISTS cartctl_journal.event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run text NOT NULL,
  at timestamptz NOT NULL,
  key text NOT NULL,
  event text NOT NULL,
  data jsonb NOT NULL,
  UNIQUE (run, at, key, event)
);
"""


# From the catalogue: to_regclass raises an error for a role that may not use the schema.
_FIT = """
SELECT event IS NOT NULL, current_setting('transaction_read_only') = 'on',
       CASE WHEN event IS NULL THEN has_database_privilege(current_database(), 'CREATE')
           ELSE has_schema_privilege('cartctl_journal', 'USAGE') AND has_table_privilege(event, 'INSERT') END,
       current_user, current_database()
FROM (SELECT (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = 'cartctl_journal' AND c.relname = 'event') AS event) AS journal
"""


# A time out of range, such as infinity, is read as NULL: the driver could not convert it.
_EVENTS = """
SELECT run, CASE WHEN at BETWEEN '0001-01-02' AND '9999-12-30' THEN at END, key, event, data::text
FROM cartctl_journal.event WHERE run = %s ORDER BY id
"""


class JournalRefused(Refused):
    """The database does not accept a journal from this role, and nothing is changed without one."""

    code = "journal_refused"


class Journal(Protocol):
    """An append-only list of events."""

    def append(self, event: Event) -> None:
        """Store durably. Appending the same event twice stores it once."""

    def events(self, run: str) -> list[Event]:
        """A run's events in order. Read-only."""

    def runs(self) -> list[str]:
        """Every run, newest first: ids sort by time. Read-only."""

    def open_runs(self) -> list[str]:
        """Unfinished runs, newest first. Read-only."""


class PostgresJournal:
    """The table `cartctl_journal.event`, over its own connection, which is reopened after a loss."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._open: Connection | None = None

    def prepare(self) -> None:
        """Create schema and table if missing. Raises JournalRefused if the database does not accept them."""
        with translated():
            there, read_only, allowed, user, name = self._connection().execute(_FIT).fetchone() or (None,) * 5
            if read_only:
                raise JournalRefused(
                    f"The database {name} is read-only. Nothing was changed.",
                    hint="Use the primary's DSN, and check default_transaction_read_only.",
                )
            if not allowed:
                raise JournalRefused(
                    f"Role {user} has no permission to write cartctl's journal in database {name}. Nothing was changed.",
                    hint=f"GRANT CREATE ON DATABASE {name} TO {user}, or run runbooks/postgres/roles.sql for it.",
                )
            if not there:
                self._create(name)

    def _create(self, database: str) -> None:
        try:
            connection = self._connection()
            with effect("journal.prepare"), translated(), bounded_sync_wait(self._open_session, connection):
                connection.execute(_TABLE)
        except SqlFailed as failed:
            if not failed.sqlstate:
                raise
            raise JournalRefused(
                f"cartctl's journal could not be created in database {database}: {failed.message}. Nothing was changed.",
                hint="Find out what rejects it, for example an event trigger.",
            ) from failed

    def identity(self) -> str:
        """The journal's identity, independent of its address; created on first use."""
        events = self.events(ITSELF)
        if not events:
            self.append(Event(ITSELF, datetime.now(UTC), ITSELF, "made", {"id": str(uuid.uuid4())}))
            events = self.events(ITSELF)
        return str(events[0].data["id"])

    def append(self, event: Event) -> None:
        """Insert; reopen a lost connection once."""
        with effect(f"journal.{event.event}"):
            try:
                self._insert(event)
            except SqlFailed as failed:
                if failed.sqlstate and not failed.sqlstate.startswith("57P"):
                    raise
                self.close()
                self._insert(event)

    def events(self, run: str) -> list[Event]:
        """In the order they were written. Raises DamagedJournal."""
        return read_rows(self._rows(_EVENTS, run), f"The journal of run {run} in the database")

    def runs(self) -> list[str]:
        """Newest first."""
        query = (
            "SELECT DISTINCT run FROM cartctl_journal.event WHERE key = %s AND event = %s ORDER BY run DESC"
        )
        return [run for (run,) in self._rows(query, RUN, EventKind.STARTED)]

    def open_runs(self) -> list[str]:
        """Unfinished runs, newest first; filtered by the database, since a long history is large."""
        query = """SELECT DISTINCT run FROM cartctl_journal.event began WHERE key = %s AND event = %s AND NOT EXISTS (
                   SELECT FROM cartctl_journal.event e WHERE e.run = began.run AND e.key = %s AND e.event = %s) ORDER BY run DESC"""
        return [run for (run,) in self._rows(query, RUN, EventKind.STARTED, RUN, EventKind.FINISHED)]

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connection(self) -> Connection:
        if self._open is None or self._open.closed:
            self._open = self._postgres.connect("journal")
        return self._open

    def _open_session(self) -> AbstractContextManager[Connection]:
        return self._postgres.session("sync wait")

    def _insert(self, event: Event) -> None:
        connection = self._connection()
        with translated(), bounded_sync_wait(self._open_session, connection):
            connection.execute(
                "INSERT INTO cartctl_journal.event (run, at, key, event, data) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (event.run, event.at, event.key, event.event, Jsonb(recordable(event.data))),
            )

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with translated():
            if self._connection().execute("SELECT to_regclass('cartctl_journal.event')").fetchone() == (
                None,
            ):
                return []
            return self._connection().execute(query.encode(), values).fetchall()


class FileJournal:
    """One 0600 NDJSON file per run below a local directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, run: str) -> Path:
        """The file of a run."""
        return self.directory / fit_name(run, LOCAL_FILE, ".ndjson")

    def append(self, event: Event) -> None:
        """Append and fsync. A truncated last line is terminated first, so that the new event has its own line."""
        private_directory(self.directory)
        with effect(f"journal.file.{event.event}"):
            file = open_private(self.path(event.run), os.O_APPEND | os.O_RDWR)
            try:
                size = os.fstat(file).st_size
                torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                os.write(file, (b"\n" if torn else b"") + to_line(event).encode() + b"\n")
                os.fsync(file)
            finally:
                os.close(file)

    def events(self, run: str) -> list[Event]:
        """In the order they were written. Raises DamagedJournal."""
        return list(read_file(self.path(run))) if self.path(run).exists() else []

    def open_runs(self) -> list[str]:
        """Unfinished ones among the newest runs: an older unfinished run would have prevented newer ones."""
        return open_among(self, self.runs()[:RECENT])

    def runs(self) -> list[str]:
        """Newest first, including damaged ones; a run that never acquired the lock does not count."""
        names = sorted((path.stem for path in self.directory.glob("*.ndjson")), reverse=True)
        return [run for run in names if _began(self.path(run))]

    def belong_to(self, identity: str) -> None:
        """Move the files of another journal aside (the database at this address was recreated)."""
        mark = self.directory / "journal.id"
        previous = mark.read_text(encoding="utf-8") if mark.exists() else identity
        if previous != identity:
            with effect("journal.file.aside"):
                self.directory.rename(self._aside(previous))
        if not mark.exists():
            write_private(mark, identity)

    def _aside(self, previous: str) -> Path:
        """A free name next to the directory."""
        name, beside = self.directory.name, self.directory.with_name
        return beside(derive_name(name, previous[:8], LOCAL_FILE, in_use=lambda free: beside(free).exists()))


def open_among(journal: Journal, runs: Iterable[str]) -> list[str]:
    """The unfinished ones of `runs`, and those whose end cannot be read. Read-only."""
    return [run for run in runs if not _ended(journal, run)]


def _ended(journal: Journal, run: str) -> bool:
    try:
        return any(_is_end(event) for event in journal.events(run))
    except DamagedJournal:
        return False


def _began(path: Path) -> bool:
    try:
        return any(event.event == EventKind.STARTED for event in read_file(path))
    except DamagedJournal:
        return True


def _is_end(event: Event) -> bool:
    return (event.key, event.event) == (RUN, EventKind.FINISHED)
