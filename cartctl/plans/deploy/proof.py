"""The deployments of another environment, from its journal or from a file of one run, newest first. Read-only."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from cartctl.checks.preflight.approval.proof import StagedRun
from cartctl.config.load import load_other
from cartctl.config.model.environment import Environment
from cartctl.engine.events import EFFECTIVE, RUN, Event, EventKind
from cartctl.engine.journal.lines import DamagedJournal, read_file
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.engine.report import RunReport, report
from cartctl.errors import ConfigError
from cartctl.inputs import MALFORMED
from cartctl.plans.deploy.deploy_options import PREFLIGHT
from cartctl.ports import Ports


def staged_runs(env: Environment) -> Iterator[StagedRun]:
    """The finished deployments of `env.proved_on`. Raises ConfigError, DatabaseUnreachable and DamagedJournal."""
    if env.proved_on is None:
        return
    if env.proved_run is not None:
        yield from _of_environment(env.proved_on, [list(read_file(env.proved_run))])
        return
    if env.proved_on == env.name:
        raise ConfigError("proved_on refers to the environment itself.", hint="Use another environment.")
    with (
        Ports(load_other(env, env.proved_on)) as other,
        closing(PostgresJournal(other.state)) as journal,
    ):
        yield from _of_environment(env.proved_on, map(journal.events, journal.runs()))


def _of_environment(name: str, runs: Iterable[list[Event]]) -> Iterator[StagedRun]:
    """Deployments of one environment: several may share a journal. A rollback is newer than what it reverts."""
    reverted: dict[str, str] = {}
    for events in runs:
        started = next((event for event in events if event.event == EventKind.STARTED), None)
        if started is None or started.data.get("env") != name:
            continue
        summary = report(events)
        if summary.plan == "rollback" and summary.outcome in EFFECTIVE:
            reverted.setdefault(str(started.data.get("of")), summary.run)
        elif summary.plan == "deploy" and _has_ended(events):
            yield _staged(summary, started, events, reverted)


def _has_ended(events: Iterable[Event]) -> bool:
    return any((event.key, event.event) == (RUN, EventKind.FINISHED) for event in events)


def _staged(
    summary: RunReport, started: Event, events: list[Event], reverted: Mapping[str, str]
) -> StagedRun:
    try:
        facts = started.data["facts"]
        images = {name: ref for group in facts["images"].values() for name, ref in group.items()}
        return StagedRun(
            run=summary.run,
            ended=events[-1].at,
            outcome=summary.outcome,
            images=images,
            migrations=tuple(facts["migrations"]),
            skipped=tuple(_skipped(started.data.get("asked", {}))),
            rolled_back=reverted.get(summary.run),
        )
    except MALFORMED as wrong:
        raise DamagedJournal(
            f"The journal of run {summary.run}", "its recorded facts have an unknown format"
        ) from wrong


def _skipped(options: Mapping[str, Any]) -> list[str]:
    return [name for name in options.get("skip", ()) if name != f"{PREFLIGHT}proof"]
