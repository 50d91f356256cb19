"""`cartctl doctor`: whether this machine and the configured systems have what cartctl needs."""

import typer

from cartctl.commands.options import Options


def doctor(ctx: typer.Context) -> None:
    """Check this machine and the configured systems; change nothing.

    Versions, cartctl's directory, disk, programs, configuration and secrets; then, for each configured section: connection,
    version,
    permissions and clock. Works without a configuration, or with a partial one. Exit code 7 when a check fails, 6 when one could
    not be evaluated.

    Examples:
        cartctl doctor
        cartctl doctor --env production
        cartctl doctor --env production -o json
    """
    from contextlib import ExitStack, suppress

    from cartctl.checks.doctor.configuration import read_configuration
    from cartctl.checks.doctor.diagnosis import diagnose
    from cartctl.engine.model import Checks
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.errors import ConfigError
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    with ExitStack() as open_until_end:
        ports: Ports | None = None
        configured = read_configuration(options.config, options.env)
        with suppress(ConfigError):  # what is wrong is among the results already
            ports = open_until_end.enter_context(Ports(options.environment()))
        pulse = Pulse(progress=open_until_end.enter_context(shown("doctor", quiet=options.quiet)))
        with interruptible(pulse, judging=True):
            checks = Checks.of((*configured.checks, *diagnose(ports, pulse).checks))
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
