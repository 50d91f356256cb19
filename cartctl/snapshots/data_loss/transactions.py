"""Which rows a transaction snapshot did not see, by their xmin: exact if possible, otherwise counted as new.

A row shows 32 bits of its transaction id. The newest id with these bits is taken for it: where that one was visible,
every older one was. So a row frozen more than four billion transactions ago may be counted as new, never the reverse.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection, SqlFailed, sql, translated
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.manifest.recorded_state import Origin

FARTHEST = 2**31 - 2  # transactions: age() of a frozen row is one more
LONGEST_HISTORY = 1 << 20  # bytes of a timeline's history
MOST_VISIBLE = 10_000  # transaction ids recorded


@dataclass(frozen=True, slots=True)
class Horizon:
    """A snapshot's edge in this transaction's terms: ages up to `far` are new unless they are `visible`."""

    far: int
    visible: tuple[int, ...] = ()

    def condition(self) -> sql.Composed:
        """SQL that is true for a row of a table that the snapshot did not see."""
        visible = sql.Literal(list(self.visible))
        return sql.SQL("age(xmin) BETWEEN 0 AND {} AND age(xmin) <> ALL ({}::int[])").format(
            sql.Literal(self.far), visible
        )


@dataclass(frozen=True, slots=True)
class Window:
    """The transaction ids of which some were running at this transaction's snapshot; false when none was."""

    snapshot: str
    base: int  # the transaction id that age() counts from
    oldest: int
    end: int

    def __bool__(self) -> bool:
        return self.oldest < self.end

    def ages(self) -> sql.Composed:
        """SQL that gathers the ages of the window's transactions whose rows are seen."""
        return sql.SQL("array_agg(DISTINCT age(xmin)) FILTER (WHERE age(xmin) BETWEEN {} AND {})").format(
            sql.Literal(self.base - self.end + 1), sql.Literal(self.base - self.oldest)
        )


def open_window(connection: Connection) -> Window:
    """The window of the current transaction. Read-only."""
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    snapshot = str(row[0]) if row else "0:0:"
    oldest, end = (int(part) for part in snapshot.split(":")[:2])
    return Window(snapshot, age_base(connection, end), oldest, end)


def age_base(connection: Connection, at_least: int) -> int:
    """The 64-bit transaction id that this transaction's age() counts from, known to be `at_least` that much. Read-only."""
    row = connection.execute("SELECT age('3'::xid)").fetchone()
    low = (int(row[0]) + 3) % 2**32 if row else 0
    return at_least + (low - at_least) % 2**32


def horizon(connection: Connection, origin: Origin) -> Horizon:
    """The edge of a recorded snapshot. Read-only."""
    base = age_base(connection, next_xid(connection))
    return Horizon(base - origin.xmin, tuple(base - xid for xid in origin.visible or ()))


def next_xid(connection: Connection) -> int:
    """The first transaction id that this transaction does not see. Read-only."""
    row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()
    return int(row[0]) if row else 0


def incomparable(connection: Connection, manifest: Manifest) -> Iterator[str]:
    """Why current transaction IDs cannot be compared with the snapshot's; empty if they can. Read-only."""
    if manifest.state is None:
        yield "the manifest was written by an earlier version and records no transaction snapshot"
        return
    origin = manifest.state.origin
    system, database = connection.execute(
        """SELECT (SELECT system_identifier::text FROM pg_control_system()),
                  (SELECT oid::bigint FROM pg_database WHERE datname = current_database())"""
    ).fetchone() or ("", 0)
    if system != origin.system_identifier:
        yield "the snapshot is from another server (its system identifier differs)"
    elif database != origin.database:
        yield "the database was recreated after the snapshot"
    elif (now := next_xid(connection)) < origin.xmax:
        yield "the server's transaction counter is behind the snapshot's: it was reset, or recovered to an earlier time"
    elif now - origin.xmin > FARTHEST:
        yield "more than two billion transactions have passed since the snapshot"
    else:
        yield from _another_past(connection, manifest)


def _another_past(connection: Connection, manifest: Manifest) -> Iterator[str]:
    """Detect a recovery to a point before the snapshot, which reuses its transaction IDs."""
    target = manifest.target
    timeline, behind = connection.execute(
        """SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
                  pg_current_wal_lsn() < %s::pg_lsn""",
        (target.wal_lsn,),
    ).fetchone() or (0, True)
    if behind:
        yield "the server's write-ahead log is behind the snapshot's"
    elif timeline != target.timeline and (fault := _switched_before(connection, timeline, manifest)):
        yield fault


def _switched_before(connection: Connection, timeline: int, manifest: Manifest) -> str:
    try:
        with translated(), connection.transaction():
            row = connection.execute(
                "SELECT pg_read_file(%s, 0, %s, true)", (f"pg_wal/{timeline:08X}.history", LONGEST_HISTORY)
            ).fetchone()
    except SqlFailed:
        row = None
    lines = [line.split() for line in str(row[0] if row else "").splitlines()]
    left = [line[1] for line in lines if len(line) > 1 and line[0] == str(manifest.target.timeline)]
    if not left:
        return "the server's timeline has changed since the snapshot, and its history cannot be read"
    row = connection.execute(
        "SELECT %s::pg_lsn >= %s::pg_lsn", (left[-1], manifest.target.wal_lsn)
    ).fetchone()
    return "" if row == (True,) else "the server was recovered to a time before the snapshot"
