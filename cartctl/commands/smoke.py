"""`cartctl smoke` and `cartctl health`: tests of the running application, for CI."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options, Output
from cartctl.errors import UsageError

if TYPE_CHECKING:
    from cartctl.config.model.environment import Environment
    from cartctl.engine.model import Check, Checks


def smoke(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Test the API at this URL; needs no configuration file. Skips values and pages.",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            metavar="FILE|NAME",
            help="Run only this suite: a file, a configured suite's name, or built-in (the cart); may be repeated.",
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            help="Also write a JUnit report to this file; an earlier one is removed first.",
            dir_okay=False,
        ),
    ] = None,
    contract: Annotated[
        str | None,
        typer.Option(
            "--contract", metavar="FILE|URL", help="Compare the API's responses with this OpenAPI document."
        ),
    ] = None,
    critical_only: Annotated[
        bool, typer.Option("--critical-only", help="Run only the critical tests.")
    ] = False,
) -> None:
    """Run the smoke tests.

    Changes nothing. Exit code 7 when a test fails, 6 when one could not be evaluated. In GitHub Actions, also writes annotations and a
    job summary.

    Examples:
        cartctl smoke --env production --contract openapi.json
        cartctl smoke --env staging --critical-only --junit smoke.xml
        cartctl smoke --url https://api.example.com --suite smoke/checkout.toml
    """
    from cartctl.checks.smoke.selection import select
    from cartctl.checks.smoke.suite import Smoke
    from cartctl.checks.smoke.targets import Targets
    from cartctl.ports import Ports

    options: Options = ctx.obj
    if junit is not None:
        from cartctl.render.junit import clear_report

        clear_report(junit)
    env = _environment_at(url, options, suite or ()) if url is not None else options.environment("http")
    selection = select(suite or (), env.http.suites, built_in=env.http.built_in)
    with Ports(env) as ports:
        compared = url is None and "database" in env.sections
        dashboard = ports.dashboard if url is None else None
        database = ports.database if compared else None
        check = Smoke(
            "smoke",
            Targets(ports.api, ports.shopper, dashboard, database),
            suites=selection.files,
            built_in=selection.built_in,
            critical_only=critical_only,
            deadline=env.http.smoke_deadline.total_seconds(),
            contract=contract,
        )
        checks = _run_check(check)
    _report("smoke", checks, options, junit)


def health(ctx: typer.Context) -> None:
    """Check the API's health.

    Requests /health, the cart statistics and the analytics overview; changes nothing. Exit code 7 when the API is unhealthy, 6 when
    that could not be determined.

    Examples:
        cartctl health --env production
    """
    from cartctl.checks.probes.health import Health
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("http")) as ports:
        checks = _run_check(Health("health", ports.api, attempts=1))
    _report("health", checks, options)


def _environment_at(url: str, options: Options, suites: Sequence[str]) -> "Environment":
    """An API by its URL: alone, or in place of the address of an environment that --env or --config selects."""
    from cartctl.config.load import load_address, load_environment

    if not url.startswith(("http://", "https://")):
        raise UsageError(
            f"Invalid URL {url!r} for --url.", hint="Use a URL that begins with http:// or https://."
        )
    if options.env is not None or options.config is not None:
        return options.warned(load_environment(options.config, options.env, {"--url": ("http.api", url)}))
    if not suites:
        raise UsageError(
            "--url requires a suite.",
            hint="Use --suite FILE, or --suite built-in for the tests of a cart; --env takes both from the configuration.",
        )
    return options.warned(load_address(url))


def _report(title: str, checks: "Checks", options: Options, junit: Path | None = None) -> None:
    """Show the results, also to the CI service that runs this, and end with the verdict's exit code."""
    from cartctl.render import github

    active = github.is_active()
    shielded = active and options.output is Output.TEXT
    with github.no_commands(sys.stdout) if shielded else nullcontext():
        options.show(checks)
    if junit is not None:
        from cartctl.render.junit import write_junit

        write_junit(checks, junit, name=title)
    if active:
        for line in github.annotations(checks, title):
            typer.echo(line, err=True)
        try:
            github.write_summary(checks, title)
        except OSError as error:
            options.say(f"warning: cannot write the job summary: {error.strerror}")
    raise typer.Exit(checks.verdict.exit_code)


def _run_check(check: "Check") -> "Checks":
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible

    pulse = Pulse()
    with interruptible(pulse, judging=True):
        return check.judge(pulse)
