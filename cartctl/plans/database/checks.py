"""The read-only checks of the target that a command runs before its first change, as preflight does for a deployment."""

from collections.abc import Callable
from dataclasses import replace

from cartctl.checks.database.check_lists import drop_database_checks, migration_database_checks
from cartctl.checks.database.database_check import DatabaseCheck, run_with_connection_check
from cartctl.checks.database.locks_held import migration_locks
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Inconclusive, Refused
from cartctl.ports import Ports

OF_THE_SESSION = (
    "database.owner_role",
    "database.schemas",
)  # a read-only role need not have these rights

UNCONFIGURED = ("database.app_role", "not configured")  # preflight reports it; a migration does not


def migration_checks(ports: Ports, pulse: Pulse) -> Checks:
    """Run every check before a migration. Read-only."""
    questions = (*migration_database_checks(), DatabaseCheck("blockers.locks", migration_locks(pulse)))
    return Checks.of(run_with_connection_check(ports.database, ports.env.database, questions, pulse))


def drop_checks(ports: Ports, plan: DropPlan, pulse: Pulse) -> Checks:
    """Run every check before a database rollback with this plan. Read-only."""
    questions = drop_database_checks(plan, ports.directory / "runs", pulse)
    return Checks.of(run_with_connection_check(ports.database, ports.env.database, questions, pulse))


def relax_for_read_only(ports: Ports, checks: Checks) -> Checks:
    """Downgrade missing owner rights to a warning, for a plan that is only shown."""
    if ports.env.database.owner_role is None:
        return checks
    return Checks.of(_noted(check) for check in checks.checks)


def _noted(check: CheckResult) -> CheckResult:
    known = check.name in OF_THE_SESSION and check.observed != "no such role"
    return replace(check, verdict=Verdict.WARN) if known and check.verdict is Verdict.FAIL else check


def refuse_bad(checks: Checks, say: Callable[[str], None] = lambda _: None) -> None:
    """Report warnings; raise Refused for failed checks and Inconclusive for unknown ones."""
    for check in checks.checks:
        if check.verdict is Verdict.WARN and (check.name, check.observed) != UNCONFIGURED:
            say(f"warning: {check.name}: {check.observed}")
    bad = checks.bad()
    if not bad:
        return
    kind = Refused if checks.verdict is Verdict.FAIL else Inconclusive
    sentences = "; ".join(f"{check.name}: {check.observed}" for check in bad)
    raise kind(
        f"{sentences}. Nothing was changed.",
        hint=" ".join(dict.fromkeys(check.hint for check in bad if check.hint)),
    )
