"""Whether the migrations still to be applied are exactly the expected ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cartctl.checks.results import failed, passed, warned
from cartctl.engine.model import CheckResult


@dataclass(frozen=True, slots=True)
class Pending:
    """What migration status says, as far as the preflight judges it. Names are the migrations' full names."""

    expected: Sequence[str]
    applied: Sequence[str]
    pending: Sequence[str]
    unknown: Sequence[str] = ()  # revisions that are not ours
    failed: Sequence[str] = ()  # in the Node application's ledger: begun, not finished, not resolved
    notes: Sequence[str] = ()  # what else in that ledger somebody should look at
    application: Callable[[], CheckResult | None] = lambda: (
        None
    )  # compares the application's own files with ours


def check_migrations(status: Callable[[], Pending]) -> Iterator[CheckResult]:
    """Applied and pending together are the expected ones, in order; nothing pending is done already. Read-only."""
    state = status()
    yield _ours(state)
    if compared := state.application():
        yield compared
    if state.failed:
        hint = "npx prisma migrate resolve, then deploy: a failed migration stops every later one."
        yield failed("migrations.ledger", f"failed: {', '.join(state.failed)}", "no failed migration", hint)
    elif state.notes:
        hint = "cartctl migrate status shows the ledger."
        yield warned("migrations.ledger", "; ".join(state.notes), "an unmodified Prisma ledger", hint)


def _ours(state: Pending) -> CheckResult:
    name, expected = "migrations.pending", ", ".join(state.expected)
    hint = "Use the version of cartctl that has these migrations."
    if state.unknown:
        return failed(name, f"unknown: {', '.join(state.unknown)}", expected, hint)
    if [*state.applied, *state.pending] != list(state.expected):
        observed = (
            f"applied: {', '.join(state.applied) or 'none'}; pending: {', '.join(state.pending) or 'none'}"
        )
        return failed(name, observed, expected, hint)
    return passed(name, f"pending: {', '.join(state.pending)}" if state.pending else "already done", expected)
