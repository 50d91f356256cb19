"""The environment's runs, newest first, selected by time, outcome and plan. Read-only."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.config.keys import did_you_mean
from cartctl.config.values import quoted
from cartctl.engine.events import RunOutcome
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.lock import find_holder
from cartctl.engine.report import History, RunReport, report, unreadable
from cartctl.errors import UsageError
from cartctl.plans.execution.journals import Journals, open_journals
from cartctl.plans.reports.time_arguments import moment_option
from cartctl.ports import Ports

OUTCOMES = tuple(outcome.value for outcome in RunOutcome)
PLANS = (
    "deploy",
    "rollback",
    "rollout",
    "rehearse",
    "revision",
    "migrate",
    "migrate index",
    "migrate adopt",
    "snapshot restore",
)


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which runs to list: those that started in the interval, with one of the outcomes and plans; empty means any."""

    since: datetime | None = None
    until: datetime | None = None
    outcomes: Sequence[str] = ()
    plans: Sequence[str] = ()

    def matches(self, run: RunReport) -> bool:
        """Whether a run is listed. One whose journal is damaged is, unless its outcome or plan is not requested."""
        at = run.started_at
        in_time = at is None or (
            (self.since is None or at >= self.since) and (self.until is None or at < self.until)
        )
        outcome = not self.outcomes or run.outcome in self.outcomes
        return in_time and outcome and (not self.plans or run.plan in self.plans)

    def is_before(self, run: RunReport) -> bool:
        """Whether a run, and therefore each older one, started before the interval."""
        return self.since is not None and run.started_at is not None and run.started_at < self.since


def parse_filter(
    *, since: str | None, until: str | None, outcomes: Sequence[str], plans: Sequence[str]
) -> HistoryFilter:
    """The filter of a command line. Raises UsageError, naming the invalid option."""
    for option, values, known in (("--outcome", outcomes, OUTCOMES), ("--plan", plans, PLANS)):
        for value in values:
            if value not in known:
                raise UsageError(
                    f"unknown value {quoted(value)} for {option}{did_you_mean(value, known)}",
                    hint=f"One of: {', '.join(known)}.",
                )
    begin = since and moment_option("--since", since)
    end = until and moment_option("--until", until, end_of_day=True)
    if begin and end and begin >= end:
        raise UsageError(f"--since {since} is not before --until {until}.", hint="Swap them.")
    return HistoryFilter(begin or None, end or None, tuple(outcomes), tuple(plans))


def read_history(ports: Ports, selected: HistoryFilter, limit: int) -> History:
    """At most `limit` matching runs. Works from the local journals while the database is unreachable."""
    with open_journals(ports, without_database=True, read_only=True, cluster_optional=True) as journals:
        running = running_run(ports, journals)
        runs: list[RunReport] = []
        for run in _reports(journals.replicated, running):
            if len(runs) == limit or selected.is_before(run):
                break
            runs += [run] if selected.matches(run) else []
    return History(tuple(runs))


def running_run(ports: Ports, journals: Journals) -> str | None:
    """The run that holds the lock now; None without one, or while the database is unreachable."""
    if journals.main is None:
        return None
    with (
        suppress(DatabaseUnreachable, SqlFailed, DamagedJournal),
        ports.state.session("find the running run") as connection,
    ):
        holder = find_holder(connection, journals.replicated)
        return holder.run if holder else None
    return None


def mark_running(run: RunReport, running: str | None) -> RunReport:
    """An unfinished run that holds the lock is running: its time is that until now, and its next command is to wait."""
    if run.outcome != RunOutcome.UNFINISHED or run.run != running:
        return run
    seconds = (datetime.now(UTC) - run.started_at).total_seconds() if run.started_at else run.seconds
    return replace(run, outcome=RunOutcome.RUNNING, seconds=round(seconds, 3), next_command="")


def _reports(journal: ReplicatedJournal, running: str | None) -> Iterator[RunReport]:
    """Every run's report, newest first; a damaged one hides no other."""
    for run in journal.runs():
        try:
            yield mark_running(report(journal.events(run)), running)
        except DamagedJournal as damage:
            yield unreadable(run, damage)
