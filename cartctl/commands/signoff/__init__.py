"""`cartctl signoff`: who approves a deployment, and what exactly is approved."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cartctl.commands.options import (
    Image,
    MonitorFor,
    NoAutoRollback,
    Options,
    Reason,
    RestoreCarts,
    Skip,
)

signoff = typer.Typer(no_args_is_help=True, help="Request, record and verify approvals of a deployment.")

Key: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="SSH key to sign with; a public key (.pub) signs through ssh-agent."
    ),
]
Name: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="Name of the signer [default: that of the key, or the user's]."
    ),
]
To: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FILE", help="Write a file for `signoff import` instead of the environment's journal."
    ),
]


@signoff.command("request")
def request(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write the request to.")],
    image: Image = None,
    skip: Skip = None,
    reason: Reason = None,
    monitor_for: MonitorFor = None,
    no_auto_rollback: NoAutoRollback = False,
    restore_carts: RestoreCarts = None,
) -> None:
    """Write what is to be approved to a file.

    Runs the preflight checks and records the request: plan, images, migrations, attestations and check results. Takes the
    options of `deploy` that shape its plan; the deployment must use the same. Exit code 7 when a check fails.

    Examples:
        cartctl signoff request request.json --env production
        cartctl signoff request request.json --image payment-api=2.1.0
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.deploy.deploy_options import parse, require_reason
    from cartctl.plans.signoff.request import request_signoffs
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    requested = parse(
        images=image or (),
        at=None,
        skip=skip or (),
        monitor_for=monitor_for,
        outside_window=False,
        auto_rollback=not no_auto_rollback,
        restore_carts=restore_carts,
        reason=reason,
    )
    require_reason(requested)
    with (
        Ports(options.environment("database", "cluster", "http")) as ports,
        shown("preflight", quiet=options.quiet) as progress,
    ):
        pulse = Pulse(progress=progress)
        with interruptible(pulse, judging=True):
            result = request_signoffs(ports, requested, file, pulse)
    options.show(result)


@signoff.command("add")
def add(
    ctx: typer.Context,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Role in which you approve.")],
    request_file: Annotated[
        Path | None,
        typer.Argument(metavar="[REQUEST]", help="Request file. [default: the latest in the journal]"),
    ] = None,
    key: Key = None,
    name: Name = None,
    to: To = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Approve a deployment in a role.

    Shows what is approved, signs it with an SSH key and records the approval. ssh-keygen asks for the key's passphrase or uses
    ssh-agent; the private key is never read by cartctl.

    Examples:
        cartctl signoff add --role DBA --key ~/.ssh/id_ed25519
        cartctl signoff add request.json --role DBA --key id.pub --to dba.json
    """
    from cartctl.plans.signoff.approve import approve, find_request
    from cartctl.plans.signoff.exchange_files import read_request
    from cartctl.plans.signoff.signer import Signer
    from cartctl.ports import Ports
    from cartctl.signoff.records import Recorded

    options: Options = ctx.obj
    given = read_request(request_file) if request_file else None
    with Ports(options.environment("database")) as ports:
        requested = find_request(ports, given)
        if not yes:
            options.show_aside(requested)
        options.confirm(f"Approve this for {ports.env.name} as {role}?", yes=yes)
        approval = approve(ports, requested, role, Signer(key, name, to))
    options.conclude(Recorded.of([approval]), f"Approved as {approval}.")


@signoff.command("attest")
def attest(
    ctx: typer.Context,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=NUMBER...", help="What you attest, by its name in the configuration, and its value."
        ),
    ],
    link: Annotated[str, typer.Option("--link", metavar="URL", help="URL of the evidence.")],
    image: Image = None,
    key: Key = None,
    name: Name = None,
    to: To = None,
) -> None:
    """Record values that no check can measure, such as reviews.

    An attestation is about the images and migrations of the configuration, or of --image. It is part of what is approved: attest
    before requesting sign-offs.

    Examples:
        cartctl signoff attest reviews=5 --link https://git.example.com/42
    """
    from cartctl.plans.deploy.deploy_options import DeployOptions, parse_images
    from cartctl.plans.signoff.attest import attest as carry_out
    from cartctl.plans.signoff.attest import parse_values
    from cartctl.plans.signoff.signer import Signer
    from cartctl.ports import Ports
    from cartctl.signoff.records import Recorded

    options: Options = ctx.obj
    requested = DeployOptions(images=parse_images(image or ()))
    with Ports(options.environment("database")) as ports:
        records = carry_out(ports, requested, parse_values(values), link, Signer(key, name, to))
    options.conclude(Recorded.of(records), f"Attested: {'; '.join(map(str, records))}.")


@signoff.command("import")
def import_files(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files written with --to.")],
    image: Image = None,
) -> None:
    """Record approvals and attestations made on other machines.

    Each is verified as if it had been made here. If one does not count, none is recorded.

    Examples:
        cartctl signoff import dba.json qa.json --env production
    """
    from cartctl.plans.deploy.deploy_options import DeployOptions, parse_images
    from cartctl.plans.signoff.exchange_files import read_records
    from cartctl.plans.signoff.import_records import import_records
    from cartctl.ports import Ports
    from cartctl.signoff.records import Recorded

    options: Options = ctx.obj
    records = Recorded.of(record for file in files for record in read_records(file).all)
    with Ports(options.environment("database")) as ports:
        import_records(ports, DeployOptions(images=parse_images(image or ())), records)
    options.conclude(records, f"Recorded: {'; '.join(map(str, records.all))}.")


@signoff.command("list")
def list_signoffs(ctx: typer.Context) -> None:
    """Show who has approved, and what has changed since.

    Compares with what the latest request would deploy now.

    Examples:
        cartctl signoff list --env production
        cartctl signoff list --env production -o json
    """
    from cartctl.plans.deploy.signoffs import current_sheet
    from cartctl.plans.signoff.approve import newest_options
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports:
        options.show(current_sheet(ports, newest_options(ports)))


@signoff.command("verify")
def verify(ctx: typer.Context, image: Image = None) -> None:
    """Verify that every required role has approved.

    Verifies each signature and compares with what would be deployed now: with --image, or as in the latest request. Exit code
    7 when an approval is missing, outdated or not valid.

    Examples:
        cartctl signoff verify --env production
    """
    from cartctl.plans.deploy.deploy_options import DeployOptions, parse_images
    from cartctl.plans.deploy.signoffs import verify_signoffs
    from cartctl.plans.signoff.approve import newest_options
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports:
        requested = DeployOptions(images=parse_images(image)) if image else newest_options(ports)
        checks = verify_signoffs(ports, requested)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
