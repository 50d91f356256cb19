"""The changes of `migrate` as short runs, with the lock and the journal of every run."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cartctl.config.model.environment import Environment
from cartctl.database.migrations.apply import Migrated
from cartctl.database.migrations.pending import pending_identifiers
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.prediction import read_locks
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.plans.database.application_files import compare_application
from cartctl.plans.database.checks import migration_checks, refuse_bad
from cartctl.plans.execution.short_run import short_run
from cartctl.ports import Ports
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate, require

if TYPE_CHECKING:
    from cartctl.database.migrations.indexes import Built


def migrate(ports: Ports, pulse: Pulse, say: Callable[[str], None]) -> Migrated:
    """Apply and verify pending migrations; first record the catalogue, which a rollback compares with."""
    settings = ports.env.database
    known = status(ports.database, settings)
    if not known.pending and not known.unknown:
        require(verify(ports.database, settings))
        return Migrated(applied=(), adopted=(), heads=(MIGRATIONS[-1].revision,), seconds=0.0)
    if settings.migrations.prisma_dir:
        _refuse_other(compare_application(ports, pulse, before_run=True), say)
    refuse_bad(migration_checks(ports, pulse), say)
    fingerprint = Fingerprint(ports.database, identifiers=partial(pending_identifiers, settings=settings))
    steps = (fingerprint, Migrate(ports.database, settings))
    return _migrated(short_run(ports, "migrate", steps, pulse)["migrate"])


def _refuse_other(compared: CheckResult | None, say: Callable[[str], None]) -> None:
    """Report how the application's migration files differ; refuse when they create other tables."""
    if compared is None or compared.verdict is Verdict.PASS:
        return
    message = f"The application's migration files differ from cartctl's: {compared.observed}."
    if compared.verdict is Verdict.FAIL:
        raise Refused(f"{message} Nothing was changed.", hint=compared.hint)
    say(message)


def index(ports: Ports, pulse: Pulse, *, scale: bool = False) -> "Built":
    """Build missing indexes on tables that hold rows, with `scale` also the optional ones."""
    from cartctl.database.migrations.indexes import Built
    from cartctl.steps.database.indexes import BuildIndexes

    build = BuildIndexes(ports.database, ports.env.database, scale=scale)
    results = short_run(ports, "migrate index", (build,), pulse)
    result = results["indexes"]
    warnings = tuple(result.get("warnings", ()))
    return Built(tuple(result["indexes"]), tuple(result["rebuilt"]), result["seconds"], warnings)


def adopt(ports: Ports, pulse: Pulse) -> Migrated:
    """Record a database that another tool migrated."""
    from cartctl.steps.database.adopt import Adopt

    results = short_run(ports, "migrate adopt", (Adopt(ports.database, ports.env.database),), pulse)
    return _migrated(results["adopt"])


def refuse_unsafe_dry_run(env: Environment, *, yes: bool) -> None:
    """Refuse a dry run on a protected environment without `yes` or outside its window: it takes the migration's locks."""
    from cartctl.checks.preflight.approval.window import check_window

    if not env.protected:
        return
    if not yes:
        raise Refused(
            f"A dry run takes the migration's locks on {env.name}, which is protected.",
            hint="Rehearse on a copy: cartctl rehearse; or use --yes within the window.",
        )
    for check in check_window(env, datetime.now(UTC), outside_allowed=False):
        if check.verdict is Verdict.FAIL:
            raise Refused(
                f"Outside the deployment window of {env.name}: {check.observed}, not {check.expected}.",
                hint="Wait for the window, or rehearse on a copy: cartctl rehearse",
            )


def _migrated(result: Mapping[str, Any]) -> Migrated:
    names = {key: tuple(result[key]) for key in ("applied", "adopted", "heads")}
    warnings = tuple(result.get("warnings", ()))
    locks = read_locks(result.get("locks"))
    return Migrated(**names, seconds=result["seconds"], warnings=warnings, locks=locks)
