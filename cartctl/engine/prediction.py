"""What a deployment is expected to take, and what a run measured of it: phases, downtime and locks.

Each number names its source; without data, none is given.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TableLock:
    """The strongest lock that a migration held on a table that existed before it.

    `seconds` is the longest time for which one transaction can have held it: from the transaction's start to its commit.
    """

    table: str
    mode: str  # as SQL names it, such as SHARE ROW EXCLUSIVE
    seconds: float

    @property
    def blocks(self) -> str:
        """Whom it keeps waiting."""
        return "reads and writes" if self.mode == "ACCESS EXCLUSIVE" else "writes"


@dataclass(frozen=True, slots=True)
class PhasePrediction:
    """The expected duration of a phase in seconds, or None without data; `source` says what it was taken from, or what is missing."""

    name: str
    seconds: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of a deployment.

    `locks` are those of its migrations, from `locks_source`; `irreversible` says what no rollback reverts.
    """

    phases: tuple[PhasePrediction, ...]
    downtime_seconds: float | None
    downtime_source: str
    locks: tuple[TableLock, ...] = ()
    locks_source: str = ""
    irreversible: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a run's first event records it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Prediction":
        """Read what `to_json` wrote, or a later version with more fields. Raises KeyError or TypeError for anything else."""
        return cls(
            tuple(PhasePrediction(one["name"], one["seconds"], one["source"]) for one in data["phases"]),
            data["downtime_seconds"],
            data["downtime_source"],
            read_locks(data["locks"]),
            data["locks_source"],
            tuple(data["irreversible"]),
        )


def read_locks(rows: Any) -> tuple[TableLock, ...]:
    """Locks as a migration's result or a rehearsal records them."""
    return tuple(TableLock(row["table"], row["mode"], row["seconds"]) for row in rows or ())


def strongest(locks: "tuple[TableLock, ...] | list[TableLock]") -> tuple[TableLock, ...]:
    """One lock per table, by name: its strongest mode and its longest time."""
    tables: dict[str, TableLock] = {}
    for lock in locks:
        known = tables.setdefault(lock.table, lock)
        mode = max(known.mode, lock.mode, key=MODES.index)
        tables[lock.table] = TableLock(lock.table, mode, max(known.seconds, lock.seconds))
    return tuple(tables[name] for name in sorted(tables))


MODES = (
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)  # that keep shoppers waiting, the weakest first
