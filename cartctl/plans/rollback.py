"""The way back, in order, on one screen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.checks.cart_gone import CartGone
from cartctl.database.drop import Allowed
from cartctl.engine.model import Evidence, Restore, Skip, Step
from cartctl.plans import parts
from cartctl.plans.phases import Phase
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class Wanted:
    """Options of `rollback`. `database`: the tables too; `allow_data_loss`: rows in them may go."""

    run: str | None = None
    database: bool = False
    allow_data_loss: bool = False
    keep_dependents: bool = False
    take_over: bool = False
    journal: Path | None = None


def rollback(
    ports: Ports, results: Mapping[str, Any], wanted: Wanted, evidence: Mapping[str, Evidence]
) -> tuple[Phase, ...]:
    """The plan that reverts a run with these `results` and this `evidence`: code always, the cart's tables only on request."""
    before = parts.recorded_images(evidence)
    if wanted.database:
        tables: tuple[Step, ...] = (
            CartGone(ports.api),
            parts.drop(ports, Allowed(wanted.allow_data_loss, wanted.keep_dependents)),
            parts.catalogue(ports, results),
        )
    else:
        tables = (Skip("database", "not asked for: the tables stay"),)
    return (
        Phase("1 Stop", "", (
            parts.workers_stop(ports),
            parts.flags(ports),
        )),
        Phase("2 Code", "", (
            Restore("undo.frontend", of="release.frontend"),
            Restore("undo.api", of="release.api"),
            Restore("undo.workers", of="release.workers", again=True),  # none runs whose digest could be compared
            parts.old_health(ports, lambda: before),
            parts.cache(ports),
            parts.cdn(ports),
        )),
        Phase("3 Database", "", tables),
        Phase("4 Open", "", (
            Restore("workers.start", of="workers.stop"),
            Restore("undo.workers.running", of="release.workers"),
            Restore("maintenance.off", of="maintenance.on"),
            Restore("prewarm.restore", of="prewarm"),
            parts.announce_outcome(ports),
        )),
    )  # fmt: skip
