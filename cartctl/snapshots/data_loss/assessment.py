"""What a restore would lose: how the whole database differs from its state at the snapshot, and what is unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection, RowsHidden, SqlFailed, sql, translated
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.snapshots.data_loss.database_state import JOURNAL_SCHEMA, guarded_tables
from cartctl.snapshots.data_loss.inventory import read_objects, read_sequences
from cartctl.snapshots.data_loss.transactions import Horizon, horizon, incomparable
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.manifest.recorded_state import Sequence, State, Table

SHOWN = 5  # of each kind in a message


@dataclass(frozen=True, slots=True)
class TableLoss:
    """A table that differs: rows then and now (null: the table is missing), and how many of them changed.

    PostgreSQL does not tell an inserted row from an updated one; None: it cannot be known.
    """

    table: str
    then: int | None
    now: int | None
    new_or_updated: int | None
    deleted_or_updated: int | None

    def __str__(self) -> str:
        if self.then is None:
            return f"{self.table} added, {self.now:,} rows"
        if self.now is None:
            return f"{self.table} dropped, {self.then:,} rows then"
        changed = (
            f", {self.new_or_updated:,} new or updated, {self.deleted_or_updated:,} deleted or updated"
            if self.new_or_updated is not None
            else ""
        )
        return f"{self.table} {self.then} → {self.now} rows{changed}"


@dataclass(frozen=True, slots=True)
class SequenceLoss:
    """A sequence whose value differs; null: the sequence is missing."""

    sequence: str
    then: int | None
    now: int | None

    def __str__(self) -> str:
        return f"sequence {self.sequence} {self.then} → {self.now}"


@dataclass(frozen=True, slots=True)
class ObjectLoss:
    """One object by its type and name: added, dropped or changed since the snapshot."""

    object: str
    change: str

    def __str__(self) -> str:
        return f"{self.object} {self.change}"


@dataclass(frozen=True, slots=True)
class Loss:
    """The data that would be lost; empty if nothing would be. `unknown` says what cannot be determined."""

    tables: tuple[TableLoss, ...] = ()
    sequences: tuple[SequenceLoss, ...] = ()
    objects: tuple[ObjectLoss, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables or self.sequences or self.objects or self.unknown)

    def lines(self) -> Iterator[str]:
        """One line for each difference, for messages."""
        yield from map(str, (*self.tables, *self.sequences, *self.objects))

    def refuse(self, accepted: "Loss | None") -> None:
        """Raise Refused, naming what would be lost, unless it is what was accepted; None accepts everything."""
        if accepted is None or self == accepted:
            return
        hint = "Accept this with --allow-data-loss: the live database is kept under another name."
        if self.unknown:
            raise Refused(f"cannot determine what would be lost: {'; '.join(self.unknown)}", hint=hint)
        known = set(accepted.lines())
        lines = [line for line in self.lines() if line not in known]
        more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        raise Refused(
            f"changes since the snapshot would be lost: {'; '.join(lines[:SHOWN])}{more}", hint=hint
        )


def measure_loss(connection: Connection, manifest: Manifest, pulse: Pulse) -> Loss:
    """Compare the database of a repeatable-read transaction with a manifest. Every table is read once. Read-only."""
    with pulse.cancelling(connection.cancel_safe):
        unknown = list(incomparable(connection, manifest))
        state = manifest.state
        edge = None if unknown or state is None else horizon(connection, state.origin)
        then = {table.full_name: table for table in (*manifest.tables, *(state.others if state else ()))}
        tables = tuple(_tables(connection, then, edge, unknown))
        if state is None:
            return Loss(tables, unknown=tuple(unknown))
        try:
            with translated(), connection.transaction():
                sequences = tuple(_sequences(read_sequences(connection, JOURNAL_SCHEMA), state))
                now = read_objects(connection, JOURNAL_SCHEMA)
                objects = tuple(_objects(now, state, comparable=edge is not None))
        except (SqlFailed, RowsHidden) as failed:
            return Loss(tables, unknown=(*unknown, failed.message))
        return Loss(tables, sequences, objects, tuple(unknown))


def _tables(
    connection: Connection, then: Mapping[str, Table], edge: Horizon | None, unknown: list[str]
) -> Iterator[TableLoss]:
    here = set()
    for schema, name in guarded_tables(connection):
        full = f"{schema}.{name}"
        here.add(full)
        counted = _count(connection, sql.Identifier(schema, name), edge)
        if isinstance(counted, str):
            unknown.append(f"{full} cannot be counted: {counted}")
        elif (loss := _compared(full, then.get(full), *counted)) is not None:
            yield loss
    for full in sorted(then.keys() - here):
        yield TableLoss(full, then[full].rows, None, None, None)


def _compared(name: str, then: Table | None, now: int, new: int | None) -> TableLoss | None:
    if then is None:
        return TableLoss(name, None, now, new, None)
    if new is None:
        return TableLoss(name, then.rows, now, None, None) if now != then.rows else None
    lost = then.rows - (now - new)
    return TableLoss(name, then.rows, now, new, lost) if new or lost else None


def _count(
    connection: Connection, table: sql.Identifier, edge: Horizon | None
) -> tuple[int, int | None] | str:
    """Rows and, of them, those that the snapshot did not see; or why they cannot be counted."""
    new = sql.SQL("count(*) FILTER (WHERE {})").format(edge.condition()) if edge else sql.SQL("NULL::bigint")
    try:
        with translated(), connection.transaction():
            row = connection.execute(
                sql.SQL("SELECT count(*), {} FROM ONLY {}").format(new, table)
            ).fetchone()
    except (SqlFailed, RowsHidden) as failed:
        return failed.message
    return (int(row[0]), row[1]) if row else (0, 0)


def _sequences(now: tuple[Sequence, ...], state: State) -> Iterator[SequenceLoss]:
    before = {f"{each.schema_name}.{each.name}": each for each in state.sequences}
    after = {f"{each.schema_name}.{each.name}": each for each in now}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield SequenceLoss(name, old.last_value if old else None, new.last_value if new else None)


def _objects(now: Mapping[str, str], state: State, *, comparable: bool) -> Iterator[ObjectLoss]:
    for name in sorted(now.keys() | state.objects.keys()):
        if name not in state.objects:
            yield ObjectLoss(name, "added")
        elif name not in now:
            yield ObjectLoss(name, "dropped")
        elif comparable and now[name] != state.objects[name]:
            yield ObjectLoss(name, "changed")
