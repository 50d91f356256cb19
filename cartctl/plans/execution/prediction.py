"""What a deployment is expected to take, from earlier deployments and rehearsals of the environment. Read-only.

The expected time of a step is its median over the newest deployments that succeeded. The migration counts only where the
same migrations were applied as are pending now: another version's take another time. Without such a deployment, the newest
rehearsal of them that passed stands in for the migration alone. Likewise the downtime counts only where `maintenance` was the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from statistics import median
from typing import Any

from cartctl.config.model.environment import Environment
from cartctl.database.migrations.status import status
from cartctl.engine.events import EventKind, RunOutcome
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.model import Skip
from cartctl.engine.prediction import PhasePrediction, Prediction, TableLock, read_locks
from cartctl.engine.report import RunReport, report
from cartctl.engine.state import fold
from cartctl.errors import CartctlError
from cartctl.measurements import size as in_units
from cartctl.plans.execution.journals import open_journals
from cartctl.plans.execution.phases import IRREVERSIBLE, Phase
from cartctl.ports import Ports

NEWEST = 30  # runs that are read
DEPLOYMENTS = 5  # of them, that count for a step
REHEARSED = "migrate and verify"  # the rehearsal's step
DONE = (EventKind.APPLIED, EventKind.RESTORED)
NO_DATA = "no earlier deployment"
NO_LOCKS = "not known: these migrations were neither applied nor rehearsed here (cartctl rehearse)"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that passed: its date and what the copy contained, the names of its migrations, their seconds and locks."""

    of: str
    applied: frozenset[str]
    seconds: float
    locks: tuple[TableLock, ...]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment that succeeded, and the names of the migrations that it applied."""

    report: RunReport
    applied: frozenset[str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The successful deployments and rehearsals of an environment, newest first."""

    deployments: tuple[Deployed, ...]
    rehearsals: tuple[Rehearsed, ...]

    def newest(self) -> list[RunReport]:
        """The deployments that count for every step but the migration."""
        return [run.report for run in self.deployments[:DEPLOYMENTS]]

    def that_applied(self, pending: frozenset[str] | None) -> list[RunReport]:
        """The deployments that applied just these migrations; none if it is not known which are pending."""
        return [run.report for run in self.deployments if run.applied == pending][:DEPLOYMENTS]

    def rehearsal_of(self, pending: frozenset[str] | None) -> Rehearsed | None:
        """The newest rehearsal of just these migrations."""
        return next((one for one in self.rehearsals if pending and one.applied == pending), None)


def predict_deployment(ports: Ports, phases: Sequence[Phase], monitored: timedelta) -> Prediction:
    """As `predict`, with journals and state of the database opened for it."""
    with open_journals(ports, without_database=True, read_only=True, cluster_optional=True) as journals:
        return predict(ports, phases, monitored, journals.replicated)


def predict(
    ports: Ports, phases: Sequence[Phase], monitored: timedelta, journal: ReplicatedJournal
) -> Prediction:
    """What these phases are expected to take; `monitored` is how long this deployment monitors."""
    earlier, pending = read_earlier(journal), _pending(ports)
    alike, rehearsal = earlier.that_applied(pending), earlier.rehearsal_of(pending)
    downtime, source = _downtime(ports.env, alike, rehearsal)
    locks, locks_source = _locks(alike, rehearsal, pending)
    newest = earlier.newest()
    done = [step for phase in phases for step in phase.steps if not isinstance(step, Skip)]
    return Prediction(
        tuple(_phase(phase, newest, alike, rehearsal, monitored) for phase in phases),
        downtime,
        source,
        locks,
        locks_source,
        tuple(IRREVERSIBLE[step.key] for step in done if step.key in IRREVERSIBLE),
    )


def read_earlier(journal: ReplicatedJournal) -> Earlier:
    """What the journal knows of earlier deployments and rehearsals; a damaged run counts as none."""
    deployments: list[Deployed] = []
    rehearsals: list[Rehearsed] = []
    for run in islice(journal.runs(), NEWEST):
        with suppress(DamagedJournal):
            events = journal.events(run)
            one = report(events)
            if one.outcome != RunOutcome.SUCCEEDED:
                continue
            if one.plan == "deploy":
                migrated = fold(run, events).results.get("migrate") or {}
                deployments.append(Deployed(one, frozenset(migrated.get("applied", ()))))
            elif one.plan == "rehearse":
                rehearsals += _rehearsed(one, next(e.data for e in events if e.event == EventKind.STARTED))
    return Earlier(tuple(deployments), tuple(rehearsals))


def _rehearsed(run: RunReport, started: Mapping[str, Any]) -> Iterator[Rehearsed]:
    """The rehearsal of a run; none of a version that did not record which migrations it applied."""
    seconds = next((step.seconds for step in run.steps if step.key == REHEARSED), None)
    if seconds is None or run.started_at is None or "migrations" not in started:
        return
    rows = f"with {started['with_data']}" if started.get("with_data") else "without rows"
    size = started.get("bytes") if started.get("with_data") else None  # without rows it says nothing
    on = f" on {in_units(size)}" if isinstance(size, int) else ""
    source = f"rehearsal of {run.started_at:%Y-%m-%d}{on}, {rows}"
    yield Rehearsed(source, frozenset(started["migrations"]), seconds, read_locks(started.get("locks")))


def _pending(ports: Ports) -> frozenset[str] | None:
    """The names of the pending migrations; None if that cannot be read now."""
    try:
        return frozenset(status(ports.database, ports.env.database).pending)
    except CartctlError:
        return None


def _phase(
    phase: Phase,
    newest: list[RunReport],
    alike: list[RunReport],
    rehearsal: Rehearsed | None,
    monitored: timedelta,
) -> PhasePrediction:
    known, sources, unknown = 0.0, dict[str, None](), list[str]()
    seconds: float | None
    for step in phase.steps:
        if isinstance(step, Skip) or step.key.startswith("gate."):
            continue
        if step.key == "monitor":
            seconds, source = monitored.total_seconds(), "monitor.for"
        elif step.key == "migrate":
            seconds, source = _migration(alike, rehearsal)
        else:
            seconds, source = _step(step.key, newest)
        if seconds is None:
            unknown.append(step.key)
        else:
            known += seconds
            sources[source] = None
    if not sources:
        return PhasePrediction(phase.name, None, NO_DATA if unknown else "nothing to do")
    rest = f"; without {', '.join(unknown)}" if unknown else ""
    return PhasePrediction(phase.name, round(known, 3), f"{', '.join(sources)}{rest}")


def _migration(alike: list[RunReport], rehearsal: Rehearsed | None) -> tuple[float | None, str]:
    seconds, source = _step("migrate", alike)
    if seconds is None and rehearsal is not None:
        return rehearsal.seconds, rehearsal.of
    return seconds, source


def _step(key: str, runs: list[RunReport]) -> tuple[float | None, str]:
    times = list(_times(key, runs))
    return (median(times), _runs(len(times))) if times else (None, "")


def _times(key: str, runs: Iterable[RunReport]) -> Iterator[float]:
    for run in runs:
        yield from (step.seconds for step in run.steps if step.key == key and step.outcome in DONE)


def _runs(count: int) -> str:
    return "the last deployment" if count == 1 else f"median of {count} deployments"


def _downtime(
    env: Environment, alike: list[RunReport], rehearsal: Rehearsed | None
) -> tuple[float | None, str]:
    if env.maintenance == "none":
        return 0.0, 'maintenance = "none"'
    of_mode = [run for run in alike if _maintenance(run) == env.maintenance]
    times = [run.downtime_seconds for run in of_mode if run.downtime_seconds is not None]
    if times:
        return median(times), _runs(len(times))
    if rehearsal is not None:
        return rehearsal.seconds, f"the migration alone: {rehearsal.of}"
    other = f' and maintenance = "{env.maintenance}"' if alike else ""
    return None, f"no earlier deployment with the same migrations{other}"


def _maintenance(run: RunReport) -> str:
    """How long maintenance lasted in a deployment, as `maintenance` names it; empty where its phases are not recorded."""
    phases = {step.key: step.phase for step in run.steps}
    ended, migrated = phases.get("maintenance.off"), phases.get("migrate")
    return "" if not ended else "migration" if ended == migrated else "plan"


def _locks(
    alike: list[RunReport], rehearsal: Rehearsed | None, pending: frozenset[str] | None
) -> tuple[tuple[TableLock, ...], str]:
    if pending is None:
        return (), "not known: the pending migrations cannot be read"
    if not pending:
        return (), "no pending migrations"
    for run in alike:
        if run.locks:
            return run.locks, f"run {run.run}"
    if rehearsal is not None:
        return rehearsal.locks, rehearsal.of
    return (), NO_LOCKS
