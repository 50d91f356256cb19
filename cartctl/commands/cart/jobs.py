"""`cartctl cart stats|recovery|expire|cleanup`: the statistics of a company's carts, and the background jobs."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartctl.commands.options import Options, Output
from cartctl.errors import UsageError

if TYPE_CHECKING:
    from cartctl.cart.store.batches import JobTask

LONGEST_IDLE = timedelta(days=3660)

Company = Annotated[
    list[str] | None,
    typer.Option("--company", metavar="ID", help="Only this company; may be repeated. [default: all]"),
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Write the changes; without it, only count what is due.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Maximum number of rows in total. [default: no limit]")
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        min=1,
        max=10_000,
        help="Maximum rows per transaction; rows locked by others are skipped.",
    ),
]


def show_stats(
    ctx: typer.Context,
    company: Annotated[str, typer.Option("--company", metavar="ID", help="Company whose carts to count.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=3660, help="Length of the period in days, until now.")
    ] = 30,
) -> None:
    """Show the statistics of a company's carts.

    Carts by status, their value by currency, and the rates of conversion, abandonment and recovery, also by type of site.

    Examples:
        cartctl cart stats --env production --company acme
        cartctl cart stats --env production --company acme --days 7 -o json
    """
    from cartctl.cart.analytics import Period
    from cartctl.database.cart_jobs import company_stats
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.ports import Ports

    options: Options = ctx.obj
    now, pulse = datetime.now(UTC), Pulse()
    with Ports(options.environment("database")) as ports, interruptible(pulse):
        stats = company_stats(ports.database, company, Period(now - timedelta(days=days), now), pulse)
    options.show(stats)


def claim_recovery(
    ctx: typer.Context,
    company: Company = None,
    apply: Apply = False,
    limit: Limit = None,
    batch_size: BatchSize = 500,
) -> None:
    """Claim abandoned carts for recovery e-mails.

    Writes one line per claim as soon as it is committed. The program that sends the e-mails reads these lines and uses cart
    and time as the idempotency key of each e-mail. A cart is claimed at most once.

    Examples:
        cartctl cart recovery --env production
        cartctl cart recovery --env production --apply --limit 1000 -o json
    """
    from cartctl.cart.store.batches import recovery

    options: Options = ctx.obj
    unsubscribed = options.environment("database").carts.unsubscribed_sql
    tasks = recovery(lambda claim: _line(options, claim), unsubscribed_sql=unsubscribed)
    _job(options, "recovery", tasks, company, apply, limit, batch_size)


def expire_carts(
    ctx: typer.Context,
    company: Company = None,
    apply: Apply = False,
    limit: Limit = None,
    batch_size: BatchSize = 500,
    abandon_after: Annotated[
        str,
        typer.Option(
            "--abandon-after",
            metavar="DURATION",
            help="Inactivity after which a cart counts as abandoned.",
        ),
    ] = "60m",
) -> None:
    """Expire overdue carts, then mark inactive ones as abandoned.

    A cart with a payment in progress does not expire.

    Examples:
        cartctl cart expire --env production
        cartctl cart expire --env production --apply --abandon-after 2h
    """
    from cartctl.cart.store.batches import expiry
    from cartctl.config.values import duration_option

    idle = duration_option("--abandon-after", abandon_after)
    if not timedelta(0) < idle <= LONGEST_IDLE:
        raise UsageError(f"--abandon-after: {abandon_after} is not between 0 and 10 years.")
    _job(ctx.obj, "expire", expiry(idle), company, apply, limit, batch_size)


def clean_up_sessions(
    ctx: typer.Context,
    company: Company = None,
    apply: Apply = False,
    limit: Limit = None,
    batch_size: BatchSize = 500,
) -> None:
    """Expire overdue visitor sessions.

    Examples:
        cartctl cart cleanup --env production
        cartctl cart cleanup --env production --apply
    """
    from cartctl.cart.store.batches import CLEANUP

    _job(ctx.obj, "cleanup", CLEANUP, company, apply, limit, batch_size)


CART_JOBS: dict[str, Callable[..., Any]] = {
    "stats": show_stats,
    "recovery": claim_recovery,
    "expire": expire_carts,
    "cleanup": clean_up_sessions,
}


def _job(
    options: Options,
    name: str,
    parts: "tuple[JobTask, ...]",
    company: list[str] | None,
    apply: bool,
    limit: int | None,
    batch_size: int,
) -> None:
    from cartctl.cart.store.batches import JobOptions
    from cartctl.database.cart_jobs import preview, run
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    job_options = JobOptions(datetime.now(UTC), company or None, limit, batch_size)
    with (
        Ports(options.environment("database")) as ports,
        shown(name, quiet=options.quiet, no_color=options.no_color) as progress,
    ):
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            done = (run if apply else preview)(ports.database, name, parts, job_options, pulse)
    _line(options, done)


def _line(options: Options, result: Any) -> None:
    """A result on one line of JSON, or as text."""
    if options.output is Output.JSON:
        from cartctl.render.json import write_line

        write_line(result, sys.stdout)
    else:
        options.show(result)
