"""`cartctl snapshot`: dumps of the database, made, listed and verified."""

from typing import Annotated

import typer

from cartctl.commands.options import Options

snapshot = typer.Typer(no_args_is_help=True, help="Create, verify, restore and prune database snapshots.")


@snapshot.command("create")
def create_snapshot(
    ctx: typer.Context,
    pin: Annotated[bool, typer.Option("--pin", help="Never remove this snapshot when pruning.")] = False,
) -> None:
    """Create a snapshot of the database and verify it.

    When another tool makes the backups (snapshots.pgbackrest_stanza, snapshots.command), starts one there.

    Examples:
        cartctl snapshot create --env production
        cartctl snapshot create --env production --pin
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.snapshots.create import take
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports, shown("snapshot", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            options.show(take(ports, pulse, pin=pin))


@snapshot.command("list")
def list_snapshots(ctx: typer.Context) -> None:
    """List the environment's snapshots, newest first.

    Examples:
        cartctl snapshot list --env production
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.plans.snapshots.create import known

    options: Options = ctx.obj
    options.show(known(options.environment("database"), Pulse()))


@snapshot.command("verify")
def verify_snapshot(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Snapshot ID [default: the latest].", show_default=False),
    ] = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="Also restore it into a scratch database and compare it.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="DSN",
            envvar="CARTCTL_SCRATCH_DSN",
            help="With --drill: server to restore on [default: a temporary local server].",
        ),
    ] = None,
) -> None:
    """Verify a snapshot against its manifest.

    Compares files, checksums and contents. Exit code 7 when the snapshot is damaged or cannot be restored, 6 when that could not be
    determined.

    Examples:
        cartctl snapshot verify --env production
        cartctl snapshot verify 20261122-114320-51eb --env production --drill
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.render.progress import shown
    from cartctl.snapshots.storage.destination import open_store
    from cartctl.snapshots.verify import verify

    options: Options = ctx.obj
    store = open_store(options.environment("database"))
    with shown("verify", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse, judging=True):
            known = name or store.newest().id
            checks = verify(store, known, pulse)
            if drill and not checks.bad():
                from cartctl.plans.snapshots.restore import checks_of, drill_on

                checks = checks_of(checks, drill_on(store, known, server, pulse))
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


@snapshot.command("restore")
def restore_snapshot(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Snapshot ID.")],
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be lost and change nothing.")] = False,
    cart_only: Annotated[
        bool, typer.Option("--cart-only", help="Restore only the cart's rows, into the existing tables.")
    ] = False,
    disconnect: Annotated[
        bool, typer.Option("--disconnect", help="Terminate other connections at the swap.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    allow_data_loss: Annotated[
        bool, typer.Option("--allow-data-loss", help="Accept the loss of rows written since the snapshot.")
    ] = False,
) -> None:
    """Restore a snapshot; retain the previous database.

    Restores into a new database, compares it with the manifest, then swaps it with the live one in one transaction.

    Examples:
        cartctl snapshot restore 20261122-114320-51eb --env production --plan
        cartctl snapshot restore 20261122-114320-51eb --env production --cart-only
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.errors import Refused
    from cartctl.plans.snapshots.cart_restore import plan_carts
    from cartctl.plans.snapshots.restore import plan_full_restore, restore_carts, restore_database
    from cartctl.ports import Ports
    from cartctl.render.progress import shown
    from cartctl.snapshots.restore.plan import Consent, RestorePlan, accepted_by

    options: Options = ctx.obj
    confirmed = Consent.NONE if yes or plan else Consent.SHOWN  # typing the name accepts what is shown
    consent = Consent.ANY if allow_data_loss else confirmed
    with (
        Ports(options.environment("database")) as ports,
        shown("restore", quiet=options.quiet) as progress,
        interruptible(pulse := Pulse(progress=progress)),
    ):
        before = (
            plan_carts(ports, name, replacing=consent is not Consent.NONE)
            if cart_only
            else plan_full_restore(ports, name, pulse, disconnect=disconnect, consent=consent)
        )
        if plan:
            options.show(before)
            raise typer.Exit(Refused.exit_code if before.refused else 0)
        before.refuse()
        if not yes:
            options.show_aside(before)
            what = "the carts in the database" if cart_only else "the whole database"
            question = f"Restore {what} {before.database} of {ports.env.name} from {before.snapshot}?"
            options.confirm_by_typing(question, before.database)
        if isinstance(before, RestorePlan):
            accepted = accepted_by(consent, before.loss)
            done: object = restore_database(ports, name, pulse, disconnect=disconnect, accepted=accepted)
        else:
            done = restore_carts(ports, name, pulse, replacing=consent is not Consent.NONE)
    return options.show(done)


@snapshot.command("prune")
def prune_snapshots(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Remove these instead, even if unreadable.", show_default=False),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show which would be removed; remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove snapshots beyond the number to keep.

    Keeps the latest verified ones, as many as database.snapshots.keep. A pinned snapshot is never removed, an unreadable
    one only by its ID.

    Examples:
        cartctl snapshot prune --env production --plan
        cartctl snapshot prune --env production --yes
    """
    from cartctl.snapshots.storage.destination import open_store
    from cartctl.snapshots.storage.retention import plan_pruning, prune

    options: Options = ctx.obj
    env = options.environment("database")
    store, keep = open_store(env), env.database.snapshots.keep
    going = plan_pruning(store, keep, names or ())
    if plan or not going.removed:
        return options.show(going)
    if not yes:
        options.show_aside(going)
    options.confirm(f"Remove {len(going.removed)} snapshots of {env.name}?", yes=yes)
    return options.show(prune(store, keep, names or ()))
