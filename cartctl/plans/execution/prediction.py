"""What a deployment is expected to take, from earlier deployments and rehearsals of the environment. Read-only.

The expected time of a step is its median over the newest deployments that succeeded. The migration counts only where as much
was to be done: those that applied migrations if any are pending, else those that applied none. Without such a deployment,
the newest rehearsal that passed stands in for the migration alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from statistics import median

from cartctl.config.model.environment import Environment
from cartctl.database.migrations.status import status
from cartctl.engine.events import EventKind, RunOutcome
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.model import Skip, Step
from cartctl.engine.prediction import PhasePrediction, Prediction, TableLock, read_locks
from cartctl.engine.report import RunReport, report
from cartctl.errors import CartctlError
from cartctl.plans.execution.journals import open_journals
from cartctl.plans.execution.phases import IRREVERSIBLE, Phase
from cartctl.ports import Ports

NEWEST = 30  # runs that are read
DEPLOYMENTS = 5  # of them, that count
REHEARSED = "migrate and verify"  # the rehearsal's step
DONE = (EventKind.APPLIED, EventKind.RESTORED)
NO_DATA = "no earlier deployment"
NO_LOCKS = "not known: no earlier migration and no rehearsal here (cartctl rehearse)"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that passed: its date, what the copy contained, the migration's seconds and locks."""

    of: str
    seconds: float
    locks: tuple[TableLock, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The newest successful deployments of an environment, and its newest successful rehearsal."""

    deployments: tuple[RunReport, ...]
    rehearsal: Rehearsed | None

    def as_much_to_do(self, *, pending: bool | None) -> list[RunReport]:
        """The deployments that applied migrations, or those that applied none; all of them if that is not known."""
        return [run for run in self.deployments if pending is None or bool(run.locks) == pending]


def predict_deployment(ports: Ports, phases: Sequence[Phase], monitored: timedelta) -> Prediction:
    """As `predict`, with journals and state of the database opened for it."""
    with open_journals(ports, without_database=True, read_only=True, cluster_optional=True) as journals:
        return predict(ports, phases, monitored, journals.replicated)


def predict(
    ports: Ports, phases: Sequence[Phase], monitored: timedelta, journal: ReplicatedJournal
) -> Prediction:
    """What these phases are expected to take; `monitored` is how long this deployment monitors."""
    earlier, pending = read_earlier(journal), _pending(ports)
    if pending is False:
        earlier = replace(earlier, rehearsal=None)  # it is of migrations
    alike = earlier.as_much_to_do(pending=pending)
    downtime, source = _downtime(ports.env, alike, earlier.rehearsal)
    locks, locks_source = _locks(alike, earlier.rehearsal, pending=pending)
    done = [step for phase in phases for step in phase.steps if not isinstance(step, Skip)]
    return Prediction(
        tuple(_phase(phase, earlier, alike, monitored) for phase in phases),
        downtime,
        source,
        locks,
        locks_source,
        tuple(IRREVERSIBLE[step.key] for step in done if step.key in IRREVERSIBLE),
    )


def read_earlier(journal: ReplicatedJournal) -> Earlier:
    """What the journal knows of earlier deployments and rehearsals; a damaged run counts as none."""
    deployments: list[RunReport] = []
    rehearsal: Rehearsed | None = None
    for run in islice(journal.runs(), NEWEST):
        with suppress(DamagedJournal):
            events = journal.events(run)
            one = report(events)
            if one.outcome != RunOutcome.SUCCEEDED:
                continue
            if one.plan == "deploy":
                deployments.append(one)
            elif one.plan == "rehearse" and rehearsal is None:
                rehearsal = _rehearsed(one, next(e.data for e in events if e.event == EventKind.STARTED))
    return Earlier(tuple(deployments[:DEPLOYMENTS]), rehearsal)


def _rehearsed(run: RunReport, started: Mapping[str, object]) -> Rehearsed | None:
    seconds = next((step.seconds for step in run.steps if step.key == REHEARSED), None)
    if seconds is None or run.started_at is None:
        return None
    rows = f"with {started['with_data']}" if started.get("with_data") else "without rows"
    return Rehearsed(
        f"rehearsal of {run.started_at:%Y-%m-%d}, {rows}", seconds, read_locks(started.get("locks"))
    )


def _pending(ports: Ports) -> bool | None:
    """Whether migrations are pending; None if that cannot be read now."""
    try:
        return bool(status(ports.database, ports.env.database).pending)
    except CartctlError:
        return None


def _phase(phase: Phase, earlier: Earlier, alike: list[RunReport], monitored: timedelta) -> PhasePrediction:
    known, sources, unknown = 0.0, dict[str, None](), list[str]()
    for step in phase.steps:
        if isinstance(step, Skip) or step.key.startswith("gate."):
            continue
        seconds, source = _step(step, earlier, alike, monitored)
        if seconds is None:
            unknown.append(step.key)
        else:
            known += seconds
            sources[source] = None
    if not sources:
        return PhasePrediction(phase.name, None, NO_DATA if unknown else "nothing to do")
    rest = f"; without {', '.join(unknown)}" if unknown else ""
    return PhasePrediction(phase.name, round(known, 3), f"{', '.join(sources)}{rest}")


def _step(
    step: Step, earlier: Earlier, alike: list[RunReport], monitored: timedelta
) -> tuple[float | None, str]:
    if step.key == "monitor":
        return monitored.total_seconds(), "monitor.for"
    runs = alike if step.key == "migrate" else earlier.deployments
    times = list(_times(step.key, runs))
    if times:
        return median(times), _runs(len(times))
    if step.key == "migrate" and earlier.rehearsal is not None:
        return earlier.rehearsal.seconds, earlier.rehearsal.of
    return None, ""


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
    times = [run.downtime_seconds for run in alike if run.downtime_seconds is not None]
    if times:
        return median(times), _runs(len(times))
    if rehearsal is not None:
        return rehearsal.seconds, f"the migration alone: {rehearsal.of}"
    return None, "no earlier deployment with as much to migrate"


def _locks(
    alike: list[RunReport], rehearsal: Rehearsed | None, *, pending: bool | None
) -> tuple[tuple[TableLock, ...], str]:
    if pending is False:
        return (), "no pending migrations"
    for run in alike:
        if run.locks:
            return run.locks, f"run {run.run}"
    if rehearsal is not None:
        return rehearsal.locks, rehearsal.of
    return (), NO_LOCKS
