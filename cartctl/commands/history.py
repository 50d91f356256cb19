"""`cartctl history`, `report` and `unlock`: what runs there were, what one came to, and who holds the lock."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options

if TYPE_CHECKING:
    from cartctl.engine.journal.replicated_journal import ReplicatedJournal
    from cartctl.engine.report import RunReport


def history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of runs.")] = 20,
) -> None:
    """List the environment's runs, newest first.

    Examples:
        cartctl history --env production
        cartctl history --env production --limit 5 -o json
    """
    from cartctl.engine.report import History
    from cartctl.plans.execution.journals import open_journals
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with (
        Ports(options.environment("database")) as ports,
        open_journals(ports, without_database=True, read_only=True) as journals,
    ):
        runs = [_report(journals.replicated, run) for run in journals.replicated.runs()[:limit]]
    options.show(History(tuple(runs)))


def _report(journal: "ReplicatedJournal", run: str) -> "RunReport":
    """One run's report; a damaged one hides no other."""
    from cartctl.engine.journal.lines import DamagedJournal
    from cartctl.engine.report import report, unreadable

    try:
        return report(journal.events(run))
    except DamagedJournal as damage:
        return unreadable(run, damage)


def report(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="Run ID, as listed by cartctl history. [default: the latest]"),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Also write the run's journal to this file, for proved_run and rollback --journal.",
        ),
    ] = None,
) -> None:
    """Show the report of a run, step by step.

    Examples:
        cartctl report --env production
        cartctl report 20261122-114320-51eb --env production
    """
    from cartctl.engine.report import report as told
    from cartctl.errors import Refused
    from cartctl.plans.execution.journal_file import write_journal_file
    from cartctl.plans.execution.journals import open_journals
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with (
        Ports(options.environment("database")) as ports,
        open_journals(ports, without_database=True, read_only=True) as journals,
    ):
        known = run or next(iter(journals.replicated.runs()), None)
        events = journals.replicated.events(known) if known else []
    if known is None:
        raise Refused("There are no runs in this environment yet.", hint="See: cartctl history")
    if not events:
        raise Refused(f"Run {known} not found.", hint="See: cartctl history")
    if journal is not None:
        write_journal_file(events, journal)
    options.show(told(events))


def unlock(
    ctx: typer.Context,
    force: Annotated[
        bool,
        typer.Option("--force", help="Terminate the holder's database connection; recorded in the journal."),
    ] = False,
) -> None:
    """Show who holds the lock, or release it.

    The lock of a crashed run is released by itself within seconds; --force is for a run that is stuck.

    Examples:
        cartctl unlock --env production
        cartctl unlock --env production --force
    """
    from cartctl.plans.execution.unlock import unlock as free
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports:
        result = free(ports, force=force)
    options.conclude(result, str(result))
