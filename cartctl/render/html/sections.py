"""The sections of a page besides its timeline and charts: changes, checks, triggers, log groups and sign-offs. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cartctl.engine.events import Event, EventKind
from cartctl.monitoring.samples import RunSamples
from cartctl.render.html.charts import Interval
from cartctl.render.text.plan import differences

_BAD_FIRST = ("fail", "unknown", "warn", "pass", "not_configured")


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One Change: its values as `name: before → after`, and whether they were reverted since.

    A rollback also has the Changes that it reverts, from their present values to the previous ones.
    """

    key: str
    moves: tuple[str, ...]
    state: str  # in place | reverted | not reverted | could not be reverted


@dataclass(frozen=True, slots=True)
class CheckTable:
    """The results of one check step, those that are not a pass first; only counts for runs of earlier versions."""

    key: str
    verdict: str
    counts: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A rollback trigger over the run: its worst state, for how long, and when it fired first."""

    name: str
    worst: str
    longest: float
    fired: datetime | None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric over the run: its last value and peak as text, and how many samples had which verdict."""

    name: str
    last: str
    peak: str
    verdicts: str
    worst: str


def changes(events: Sequence[Event]) -> list[ChangeRow]:
    """The run's own Changes, each with its first and last values, after those that it inherited."""
    moves: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    state: dict[str, str] = {}
    for event in events:
        if event.event == EventKind.STARTED:
            for key, evidence in event.data.get("evidence", {}).items():
                moves[key], state[key] = (evidence["to"][-1], evidence["before"]), "not reverted"
        elif event.event == EventKind.INTENDED:
            before = moves[event.key][0] if event.key in moves else event.data.get("before", {})
            moves[event.key] = before, event.data.get("to", {})
            state[event.key] = "in place"
        elif event.event == EventKind.RESTORED:
            state[str(event.data.get("of", event.key))] = "reverted"
        elif event.event == EventKind.UNDO_FAILED:
            state[event.key] = "could not be reverted"
    return [
        ChangeRow(key, tuple(differences(before, to)) or ("no values changed",), state[key])
        for key, (before, to) in moves.items()
    ]


def check_tables(events: Iterable[Event]) -> list[CheckTable]:
    """A table per check step that has ended, the newest results of each."""
    tables: dict[str, CheckTable] = {}
    for event in events:
        result = event.data.get("result")
        recorded = result if isinstance(result, Mapping) else event.data
        rows = recorded.get("checks")
        if event.event not in {EventKind.APPLIED, EventKind.FAILED} or (
            not rows and "counts" not in recorded
        ):
            continue
        ordered = sorted(rows or (), key=lambda row: _BAD_FIRST.index(_verdict(row)))
        counted = Counter(map(_verdict, ordered)) if rows else recorded["counts"]
        counts = ", ".join(
            f"{counted[name]} {name.replace('_', ' ')}" for name in _BAD_FIRST if counted.get(name)
        )
        verdict = next((name for name in _BAD_FIRST if counted.get(name)), "unknown")
        tables[event.key] = CheckTable(event.key, verdict, counts, tuple(ordered))
    return list(tables.values())


def log_groups(tables: Iterable[CheckTable]) -> list[Mapping[str, Any]]:
    """The groups of similar log messages, the most frequent first."""
    groups = [group for table in tables for row in table.rows for group in row.get("groups", ())]
    return sorted(groups, key=lambda group: -int(group.get("count", 0)))


def trigger_rows(samples: RunSamples) -> list[TriggerRow]:
    """Each trigger that was evaluated."""
    rows = []
    for name in dict.fromkeys(name for one in samples.samples for name in one.triggers):
        states = [(one.at, *one.triggers[name]) for one in samples.samples if name in one.triggers]
        occurred = {state for _, state, _ in states}
        worst = next((state for state in ("fired", "pending") if state in occurred), "clear")
        fired = next((at for at, state, _ in states if state == "fired"), None)
        rows.append(TriggerRow(name, worst, max(seconds for *_, seconds in states), fired))
    return rows


def trigger_intervals(samples: RunSamples) -> Iterator[Interval]:
    """When a trigger was pending or had fired, from each such sample to the next one."""
    for one, following in zip(samples.samples, samples.samples[1:], strict=False):
        states = {state for state, _ in one.triggers.values()}
        style = next((state for state in ("fired", "pending") if state in states), None)
        if style:
            yield Interval(one.at, following.at, style)


def metric_row(samples: RunSamples, name: str) -> MetricRow:
    """A metric's summary."""
    limits = samples.limits.get(name)
    share = limits is not None and limits.unit == "share"
    recorded = [one.metrics[name] for one in samples.samples if name in one.metrics]
    values = [value for value, _ in recorded if value is not None]
    counted = Counter(verdict for _, verdict in recorded)
    worst = next((one for one in ("critical", "warning", "ok") if counted.get(one)), "no-data")
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common())
    last, peak = (values[-1], max(values)) if values else (None, None)
    return MetricRow(name, _shown(last, share=share), _shown(peak, share=share), verdicts, worst)


def metric_names(samples: RunSamples) -> list[str]:
    """The metrics with samples, in the order in which they were recorded."""
    return list(dict.fromkeys(name for one in samples.samples for name in one.metrics))


def _shown(value: float | None, *, share: bool) -> str:
    if value is None:
        return "no data"
    return f"{value:.2%}" if share else f"{value * 1000:.0f} ms"


def _verdict(row: Mapping[str, Any]) -> str:
    verdict = str(row.get("verdict", "unknown"))
    return verdict if verdict in _BAD_FIRST else "unknown"
