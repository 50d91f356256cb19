"""`cartctl snapshot`: dumps of the database, made, listed and verified."""

from typing import Annotated

import typer

from cartctl.commands.options import Options

snapshot = typer.Typer(no_args_is_help=True, help="Take, list and verify snapshots of the database.")


@snapshot.command("create")
def create_snapshot(
    ctx: typer.Context,
    pin: Annotated[bool, typer.Option("--pin", help="Keep it whatever the retention says.")] = False,
) -> None:
    """Dump the database and verify the dump."""
    from cartctl.database.catalogue import read_catalogue
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.errors import CheckFailed
    from cartctl.ports import Ports
    from cartctl.render.progress import shown
    from cartctl.snapshots.create import Subject, create, new_id
    from cartctl.snapshots.store import open_store, refuse_plain
    from cartctl.snapshots.verify import verify

    options: Options = ctx.obj
    env = options.environment()
    refuse_plain(env)
    store = open_store(env)
    with Ports(env) as ports, shown("snapshot", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            subject = Subject(env.name, ports.database, lambda connection: read_catalogue(connection).hash)
            made = create(subject, store, new_id(), pulse)
            bad = verify(store, made.id, pulse).bad()
    if bad:
        raise CheckFailed(f"The snapshot {made.id} does not verify: {bad[0].observed}", hint=bad[0].hint)
    if pin:
        store.pin(made.id, "by hand")
    options.show(store.entry(made.id))


@snapshot.command("list")
def list_snapshots(ctx: typer.Context) -> None:
    """The snapshots of the environment, newest first."""
    from cartctl.snapshots.store import open_store

    options: Options = ctx.obj
    options.show(open_store(options.environment()).list())


@snapshot.command("verify")
def verify_snapshot(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A snapshot's id [default: the newest].", show_default=False),
    ] = None,
) -> None:
    """Compare a snapshot with its manifest: files, checksums, contents.

    Exit code 7 when it is not as written, 6 when that could not be found out.
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.render.progress import shown
    from cartctl.snapshots.store import open_store
    from cartctl.snapshots.verify import verify

    options: Options = ctx.obj
    store = open_store(options.environment())
    with shown("verify", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            checks = verify(store, name or store.newest().id, pulse)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
