"""The preflight of a deployment, with its inputs: migrations, rehearsal, rollout and the rows to restore."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cartctl.checks.preflight import Preflight
from cartctl.checks.preflight.approval import ApprovalSources
from cartctl.checks.preflight.restore import Restoring
from cartctl.plans.database.rehearse import rehearsed
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.migration_status import pending
from cartctl.plans.deploy.proof import staged_runs
from cartctl.plans.deploy.signoffs import current_sheet
from cartctl.plans.execution.saved_rows import find_row_source, row_source_name
from cartctl.plans.rollout.record import began_with
from cartctl.ports import Ports


def preflight(
    ports: Ports,
    options: DeployOptions,
    *,
    only: tuple[str, ...] = (),
    skip: Mapping[str, str] | None = None,
    follows: bool = True,
) -> Preflight:
    """The checks before a deployment with these options; `skip` replaces the checks that they skip.

    The window must be open at the time when the migration begins, or now where that is later. `follows` says that the
    deployment runs next.
    """
    begins = options.at or datetime.min.replace(tzinfo=UTC)
    return Preflight(
        ports,
        lambda: pending(ports),
        images=options.images,
        only=only,
        skip=options.skipped_checks if skip is None else skip,
        follows=follows,
        outside_window=options.outside_window,
        now=lambda: max(datetime.now(UTC), begins),
        rehearsed=lambda: rehearsed(ports),
        rollout=lambda: began_with(ports),
        restoring=lambda: _restoring(ports, options.restore_carts),
        approval=ApprovalSources(lambda: current_sheet(ports, options), lambda: staged_runs(ports.env)),
    )


def _restoring(ports: Ports, source: str | None) -> Restoring | None:
    return Restoring(row_source_name(ports, source), find_row_source(ports, source)) if source else None
