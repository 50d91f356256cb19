"""The rollback, in order, on one screen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.checks.cart_gone import CartGone
from cartctl.database.drop.drop import Allowed
from cartctl.engine.model import Evidence, Restore, Skip, Step
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.phases import Phase
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    """Options of `rollback`. `database`: also drop the tables; `allow_data_loss`: even if they hold rows."""

    run: str | None = None
    database: bool = False
    allow_data_loss: bool = False
    keep_dependents: bool = False
    take_over: bool = False
    journal: Path | None = None


def rollback(
    ports: Ports, results: Mapping[str, Any], options: RollbackOptions, evidence: Mapping[str, Evidence]
) -> tuple[Phase, ...]:
    """The plan that reverts a run with these `results` and this `evidence`: code always, the cart's tables only on request."""
    before = step_factories.recorded_images(evidence)
    if options.database:
        tables: tuple[Step, ...] = (
            CartGone(ports.api),
            step_factories.drop(ports, Allowed(options.allow_data_loss, options.keep_dependents)),
            step_factories.catalogue(ports, results),
        )
    else:
        tables = (Skip("database", "not requested: the tables stay"),)
    return (
        Phase("1 Stop", "", (
            step_factories.workers_stop(ports),
            step_factories.flags(ports),
        )),
        Phase("2 Code", "", (
            Restore("undo.frontend", of="release.frontend"),
            Restore("undo.api", of="release.api"),
            Restore("undo.workers", of="release.workers", again=True),  # stopped: no running digest to compare
            step_factories.old_health(ports, lambda: before),
            step_factories.cache(ports),
            step_factories.cdn(ports),
        )),
        Phase("3 Database", "", tables),
        Phase("4 Open", "", (
            Restore("workers.start", of="workers.stop"),
            Restore("undo.workers.running", of="release.workers"),
            Restore("maintenance.off", of="maintenance.on"),
            Restore("prewarm.restore", of="prewarm"),
            step_factories.announce_outcome(ports),
        )),
    )  # fmt: skip
