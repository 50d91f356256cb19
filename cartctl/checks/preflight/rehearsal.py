"""Whether the migration and its way back were tried on a copy of exactly what the database is now."""

from collections.abc import Callable, Iterator

from cartctl.checks.preflight.migrations import Pending
from cartctl.checks.results import failed, not_configured, passed
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult


def check_rehearsal(
    environment: Environment, migrations: Callable[[], Pending], rehearsed: Callable[[], bool]
) -> Iterator[CheckResult]:
    """Only a protected environment insists, and only while something is pending. Read-only."""
    name, expected = "rehearsal", "passed on a copy of this schema"
    if not environment.protected:
        yield not_configured(name, "required only in a protected environment")
    elif not migrations().pending:
        yield passed(name, "nothing is pending")
    elif rehearsed():
        yield passed(name, expected)
    else:
        yield failed(name, "no rehearsal of this schema has passed", expected, "cartctl rehearse")
