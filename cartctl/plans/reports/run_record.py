"""Everything that the report of one run shows, from its journal, its samples and the environment. Read-only."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cartctl.config.keys import did_you_mean_id
from cartctl.config.model.stages import Stage, read_stages
from cartctl.engine.events import Event, EventKind
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.report import RunReport, report
from cartctl.errors import Refused
from cartctl.inputs import InvalidInput
from cartctl.monitoring.samples import FILE, RunSamples, read_samples
from cartctl.plans.execution.journals import Journals, open_journals
from cartctl.plans.reports.history import mark_running, running_run
from cartctl.ports import Ports
from cartctl.rollout.record import PLAN as ROLLOUT
from cartctl.rollout.record import Record, fold, read_step

NEWEST = 200  # runs that are read for the rollout's stages


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: its report and events, its recorded samples, and the rollout that it belongs to.

    `samples_missing` says why there are no samples. `expected_total` and `expected_downtime` are the environment's limits.
    """

    report: RunReport
    events: tuple[Event, ...]
    expected_total: timedelta
    expected_downtime: timedelta
    samples: RunSamples | None = None
    samples_missing: str = ""
    rollout: Record | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def started(self) -> Mapping[str, Any]:
        """The data of the run's first event: plan, options, user, host and version."""
        return next((event.data for event in self.events if event.event == EventKind.STARTED), {})


def read_report(ports: Ports, run: str | None) -> RunReport:
    """The report of a run, or of the newest one. Raises Refused when there is none, DamagedJournal."""
    with open_journals(ports, without_database=True, read_only=True, cluster_optional=True) as journals:
        events = _events(journals, run)
        return mark_running(report(events), running_run(ports, journals))


def read_record(ports: Ports, run: str | None) -> RunRecord:
    """The record of a run, or of the newest one. Raises Refused when there is none, DamagedJournal."""
    with open_journals(ports, without_database=True, read_only=True, cluster_optional=True) as journals:
        events = _events(journals, run)
        shown = mark_running(report(events), running_run(ports, journals))
        rollout = _rollout(journals.replicated, shown)
    samples, missing = _samples(ports, shown)
    return RunRecord(
        shown,
        tuple(events),
        ports.env.expect.total,
        ports.env.expect.downtime,
        samples,
        missing,
        rollout,
        read_stages(ports.env.rollout.stages) if rollout else (),
    )


def _events(journals: Journals, run: str | None) -> list[Event]:
    known = run or next(iter(journals.replicated.runs()), None)
    if known is None:
        raise Refused("No runs in this environment yet.", hint="Deploy first: cartctl deploy")
    events = journals.replicated.events(known)
    if not events:
        other = did_you_mean_id(known, journals.replicated.runs())
        raise Refused(f"Run {known} not found{other}", hint="See: cartctl history")
    return events


def _samples(ports: Ports, run: RunReport) -> tuple[RunSamples | None, str]:
    if run.plan != "deploy":
        return None, "only deployments are monitored"
    try:
        samples = read_samples(ports.run_directory(run.run) / FILE)
    except InvalidInput as wrong:
        return None, wrong.message
    return (
        samples,
        "" if samples else "no samples on this machine: they are stored on the machine that started the run",
    )


def _rollout(journal: ReplicatedJournal, run: RunReport) -> Record | None:
    """The rollout of which `run` is a change, or that followed a deployment; None without one."""
    if run.plan not in {ROLLOUT, "deploy"}:
        return None
    steps = []
    for known in journal.runs()[:NEWEST]:
        if run.plan == "deploy" and known <= run.run:
            break
        with suppress(DamagedJournal):
            step = read_step(journal.events(known))
            steps += [step] if step is not None else []
    return fold(reversed(steps)) if steps else None
