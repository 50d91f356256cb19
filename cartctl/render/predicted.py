"""What a deployment is expected to take, and beside it what a run took: rows for every format, and both as text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from cartctl.engine.prediction import Prediction, TableLock
from cartctl.engine.report import RunReport, phase_seconds
from cartctl.render.amounts import duration
from cartctl.render.drawing import Group, RenderableType, Text

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Compared:
    """One duration of a run: expected and measured seconds, None where there is no data, and where the expectation comes from."""

    name: str
    expected: float | None
    measured: float | None
    source: str


def compared_rows(run: RunReport) -> Iterator[Compared]:
    """Each phase, the downtime, and each table's lock; nothing for a run without a prediction."""
    prediction = run.prediction
    if prediction is None:
        return
    took = phase_seconds(run)
    for phase in prediction.phases:
        yield Compared(phase.name, phase.seconds, took.get(phase.name), phase.source)
    yield Compared("downtime", prediction.downtime_seconds, run.downtime_seconds, prediction.downtime_source)
    before = {lock.table: lock for lock in prediction.locks}
    now = {lock.table: lock for lock in run.locks}
    for table in sorted({*before, *now}):
        lock = now.get(table) or before[table]
        expected, measured = (one[table].seconds if table in one else None for one in (before, now))
        source = f"; {prediction.locks_source}" if expected is not None else ""
        yield Compared(f"lock on {table}", expected, measured, f"{_mode(lock)}{source}")


def expected(prediction: Prediction) -> RenderableType:
    """The expected time of each phase with its source, downtime, locks, and irreversible steps."""
    table = _table("expected")
    for phase in prediction.phases:
        table.add_row(Text(phase.name), seconds(phase.seconds), Text(phase.source, "dim"))
    table.add_row(
        Text("downtime"), seconds(prediction.downtime_seconds), Text(prediction.downtime_source, "dim")
    )
    return Group(table, *_locks(prediction.locks, prediction.locks_source), *_irreversible(prediction))


def compared(run: RunReport) -> RenderableType:
    """The expected and the measured value of each phase, of the downtime and of the locks; irreversible steps."""
    table = _table("expected", "measured")
    for row in compared_rows(run):
        table.add_row(
            Text(row.name), seconds(row.expected), seconds(row.measured, ""), Text(row.source, "dim")
        )
    return Group(table, *(_irreversible(run.prediction) if run.prediction else ()))


def seconds(value: float | None, missing: str = UNKNOWN) -> Text:
    """A duration, or a dash."""
    return Text(missing, "dim") if value is None else Text(duration(value))


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    return table


def _locks(locks: Sequence[TableLock], source: str) -> list[RenderableType]:
    if not locks:
        return [Text(f"locks: {source}")]
    table = _table("at most")
    for lock in locks:
        table.add_row(Text(f"lock on {lock.table}"), seconds(lock.seconds), Text(_mode(lock), "dim"))
    return [Text(), table, Text(f"locks of: {source}", "dim")]


def _mode(lock: TableLock) -> str:
    return f"{lock.mode}: {lock.blocks} wait"


def _irreversible(prediction: Prediction) -> list[RenderableType]:
    lines = [Text(f"  {line}") for line in prediction.irreversible]
    return [Text(), Text("Not reverted by a rollback:"), *lines] if lines else []
