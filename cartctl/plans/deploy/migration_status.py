"""The status of the migrations, for the preflight."""

from cartctl.checks.preflight import Pending
from cartctl.database.migrations.status import status
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import NAMES
from cartctl.plans.database.application_files import compare_application
from cartctl.ports import Ports


def pending(ports: Ports) -> Pending:
    """Expected, applied and pending migrations of the target. Read-only."""
    migrations = status(ports.database, ports.env.database)
    return Pending(
        expected=NAMES,
        applied=migrations.applied,
        pending=migrations.pending,
        unknown=migrations.unknown,
        failed=tuple(row.name for row in migrations.prisma.rows if row.failed and not row.ours),
        notes=migrations.prisma.problems,
        application=lambda: compare_application(ports, Pulse()),
    )
