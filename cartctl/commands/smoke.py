"""`cartctl smoke` and `cartctl health`: CI's door to the running application."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError

if TYPE_CHECKING:
    from cartctl.engine.model import Check, Checks


def smoke(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", metavar="URL", help="Test the API at this URL instead; skips values and pages."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="NAME", help="Run only this suite; built-in is cartctl's own."),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit", metavar="FILE", help="Also write a JUnit report to this file.", dir_okay=False
        ),
    ] = None,
    critical_only: Annotated[
        bool, typer.Option("--critical-only", help="Run only the critical tests.")
    ] = False,
) -> None:
    """Run the smoke tests.

    Changes nothing. Exit code 7 when a test fails, 6 when one could not be evaluated.

    Examples:
        cartctl smoke --env production
        cartctl smoke --env staging --critical-only --junit smoke.xml
    """
    from cartctl.adapters.http.client import Http
    from cartctl.checks.smoke.suite import Smoke
    from cartctl.checks.smoke.targets import Targets
    from cartctl.ports import Ports

    options: Options = ctx.obj
    if url is not None and not url.startswith(("http://", "https://")):
        raise UsageError(
            f"Invalid URL {url!r} for --url.", hint="Use a URL that begins with http:// or https://."
        )
    with Ports(options.environment()) as ports:
        http = ports.env.http
        timeout, verify = http.timeout.total_seconds(), http.verify_tls
        targets = Targets(
            Http(url, token=ports.token, timeout=timeout, verify=verify) if url else ports.api,
            Http(url, timeout=timeout, verify=verify) if url else ports.shopper,
            None if url else ports.dashboard,
            None if url else ports.database,
        )
        check = Smoke(
            "smoke",
            targets,
            suites=http.suites,
            only=suite,
            critical_only=critical_only,
            deadline=http.smoke_deadline.total_seconds(),
        )
        checks = _run_check(check)
    if junit is not None:
        from cartctl.render.junit import write_junit

        write_junit(checks, junit, name="smoke")
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


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
    with Ports(options.environment()) as ports:
        checks = _run_check(Health("health", ports.api, attempts=1))
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


def _run_check(check: "Check") -> "Checks":
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible

    pulse = Pulse()
    with interruptible(pulse):
        return check.judge(pulse)
