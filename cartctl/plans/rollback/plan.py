"""The rollback, in order, on one screen."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.checks.cart_absent import CartAbsent
from cartctl.database.drop.consent import Allowed
from cartctl.engine.model import Evidence, Restore, Skip, Step
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.phases import Phase
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    """Options of `rollback`. `database`: also drop the tables; `allow_data_loss`: even if they hold rows.

    `application_stopped`: the operator confirms that no version uses them.
    """

    run: str | None = None
    database: bool = False
    allow_data_loss: bool = False
    keep_dependents: bool = False
    keep_labels: bool = False
    take_over: bool = False
    journal: Path | None = None
    application_stopped: bool = False

    @property
    def allowed(self) -> Allowed:
        """What the operator has agreed to."""
        return Allowed(self.allow_data_loss, self.keep_dependents, self.keep_labels)


NO_CLUSTER = "no cluster configured"
UNCHECKED = (
    "Cannot check whether the running version still uses the cart's tables: http.api is not configured. "
    "Configure it, or stop the application and use --application-stopped."
)


def rollback(
    ports: Ports, results: Mapping[str, Any], options: RollbackOptions, evidence: Mapping[str, Evidence]
) -> tuple[Phase, ...]:
    """The plan that reverts a run with these `results` and this `evidence`: code always, the cart's tables only on request."""
    tables = _tables(ports, results, options)
    if "cluster" not in ports.env.sections:
        return _database_only(ports, tables)
    before = step_factories.recorded_images(evidence)
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


def blocked(ports: Ports, options: RollbackOptions) -> tuple[str, ...]:
    """Why the tables must not be dropped: nothing shows that no running version uses them."""
    unchecked = options.database and not options.application_stopped and "http" not in ports.env.sections
    return (UNCHECKED,) if unchecked else ()


def _tables(ports: Ports, results: Mapping[str, Any], options: RollbackOptions) -> tuple[Step, ...]:
    if not options.database:
        return (Skip("database", "not requested: the tables remain"),)
    return (
        _application(ports, options),
        step_factories.drop(ports, options.allowed),
        step_factories.catalogue(ports, results),
    )


def _application(ports: Ports, options: RollbackOptions) -> Step:
    if "http" not in ports.env.sections:
        confirmed = "not checked: --application-stopped"
        return Skip(
            CartAbsent.key, confirmed if options.application_stopped else "http.api is not configured"
        )
    return CartAbsent(ports.api, stopped=options.application_stopped)


def _database_only(ports: Ports, tables: tuple[Step, ...]) -> tuple[Phase, ...]:
    """The plan where no cluster is configured: what the code's release changed stays for a rollback that can reach it."""
    in_file = ports.env.rollout.flags.file is not None
    return (
        Phase("1 Stop", "", (step_factories.flags(ports),) if in_file else (Skip("flags", NO_CLUSTER),)),
        Phase(
            "2 Code", "", (Skip("code", NO_CLUSTER), step_factories.cache(ports), step_factories.cdn(ports))
        ),
        Phase("3 Database", "", tables),
        Phase("4 Open", "", (step_factories.announce_outcome(ports),)),
    )
