"""Whether the migrations still to be applied are exactly the expected ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cartctl.checks.preflight.look import failed, passed
from cartctl.engine.model import CheckResult


@dataclass(frozen=True, slots=True)
class Pending:
    """What migration status says, as far as the preflight judges it. Names are the migrations' full names."""

    expected: Sequence[str]
    applied: Sequence[str]
    pending: Sequence[str]
    problems: Sequence[str] = ()  # what the ledger says that cannot be passed over


def look_at_migrations(status: Callable[[], Pending]) -> Iterator[CheckResult]:
    """Applied and pending together are the expected ones, in order; nothing pending is done already. Read-only."""
    name, found = "migrations", status()
    expected = f"{len(found.expected)} migrations: {', '.join(found.expected)}"
    if found.problems:
        hint = "cartctl migrate status shows the ledger; settle it before deploying."
        yield failed(name, "; ".join(found.problems), "a ledger without problems", hint)
    elif [*found.applied, *found.pending] != list(found.expected):
        observed = (
            f"applied: {', '.join(found.applied) or 'none'}; pending: {', '.join(found.pending) or 'none'}"
        )
        yield failed(name, observed, expected, "Use the version of cartctl whose migrations these are.")
    elif not found.pending:
        yield passed(name, "already done", expected)
    else:
        yield passed(name, f"pending: {', '.join(found.pending)}", expected)
