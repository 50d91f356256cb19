"""`cartctl monitor export`: the thresholds and triggers as files for Prometheus and Grafana."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Target directory; created if missing.")],
    ctx: typer.Context,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="prometheus|grafana",
            help="prometheus: rules, their tests, and examples for Alertmanager; grafana: a dashboard.",
        ),
    ] = "prometheus",
) -> None:
    """Write rules for Prometheus, or a dashboard for Grafana.

    Thresholds, triggers, names and durations are those of the environment. A file that was changed since cartctl wrote it is
    never replaced
    (exit code 3). Opens no connections.

    Examples:
        cartctl monitor export --env production --format prometheus monitoring/
        cartctl monitor export --env production --format grafana monitoring/
    """
    from cartctl.adapters.export_files import export_files
    from cartctl.monitoring.export.documents import Form, exported_documents

    if form not in {each.value for each in Form}:
        raise UsageError(
            f"--format {form} is neither prometheus nor grafana.", hint="For example: --format prometheus"
        )
    options: Options = ctx.obj
    options.show(
        export_files(exported_documents(Form(form), options.environment()), directory, recorded=True)
    )
