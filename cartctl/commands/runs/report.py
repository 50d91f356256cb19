"""`cartctl report`: one run's report as text, JSON, Markdown or a page."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options


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
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the report to this file, as one HTML page."),
    ] = None,
) -> None:
    """Show the report of a run, step by step.

    -o markdown writes Markdown. Needs no access to the cluster. The HTML page has the timeline, metrics, checks and changes, and loads nothing from elsewhere.

    Examples:
        cartctl report --env production
        cartctl report 20261122-114320-51eb --env production -o markdown
        cartctl report --env production --html report.html
    """
    from cartctl.plans.execution.journal_file import write_journal_file
    from cartctl.plans.reports.run_record import read_record
    from cartctl.ports import Ports

    options: Options = ctx.obj
    if html is not None:
        from cartctl.render.html.destination import check_destination

        check_destination(html, "--html")
    with Ports(options.environment("database")) as ports:
        record = read_record(ports, run)
    if journal is not None:
        write_journal_file(record.events, journal)
    if html is not None:
        from cartctl.render.html.page import write_page

        options.conclude(write_page(record, html), f"Wrote the report of run {record.report.run} to {html}.")
    else:
        options.show(record.report)
