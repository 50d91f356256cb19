"""The preflight of a deployment, with its inputs: migrations, rehearsal, rollout and the rows to restore."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cartctl.checks.preflight import Preflight
from cartctl.checks.preflight.restore import Restoring
from cartctl.plans.database.rehearse import rehearsed
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.migration_status import pending
from cartctl.plans.execution.saved_rows import find_row_source, row_source_name
from cartctl.plans.rollout.record import began_with
from cartctl.ports import Ports


def preflight(
    ports: Ports,
    images: Mapping[str, str],
    *,
    outside_window: bool,
    skip: Mapping[str, str] | None = None,
    at: datetime | None = None,
    restore_carts: str | None = None,
) -> Preflight:
    """The checks before any change; `images` are those of the command line.

    The window must be open at `at`, when the migration begins, or now where that is later.
    """
    return Preflight(
        ports,
        lambda: pending(ports),
        images=images,
        skip=skip,
        follows=True,
        outside_window=outside_window,
        now=lambda: max(datetime.now(UTC), at or datetime.min.replace(tzinfo=UTC)),
        rehearsed=lambda: rehearsed(ports),
        rollout=lambda: began_with(ports),
        restoring=lambda: _restoring(ports, restore_carts),
    )


def preflight_of(ports: Ports, options: DeployOptions) -> Preflight:
    """The preflight of a deployment with these options."""
    return preflight(
        ports,
        options.images,
        outside_window=options.outside_window,
        skip=options.skipped_checks,
        at=options.at,
        restore_carts=options.restore_carts,
    )


def _restoring(ports: Ports, source: str | None) -> Restoring | None:
    return Restoring(row_source_name(ports, source), find_row_source(ports, source)) if source else None
