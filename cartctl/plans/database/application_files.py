"""Compare the application's migration files with ours: run both on a scratch copy and compare the catalogues."""

from cartctl.adapters.postgres import Connection, Postgres, translated
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.database.contract.contract_check import judge
from cartctl.database.contract.existing_objects import AS_REQUIRED
from cartctl.database.migrations.application_files import ApplicationFiles, read_application
from cartctl.database.migrations.status import status
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Inconclusive
from cartctl.migrations.frozen import MIGRATIONS, Frozen
from cartctl.plans.database.scratch_copy import scratch_copy
from cartctl.ports import Ports

NAME = "migrations.application"
SHOWN = 5
EXPECTED = "migration files with the same effect"


def compare_application(ports: Ports, pulse: Pulse) -> CheckResult | None:
    """Compare where the application's files differ from ours; None when there is nothing to compare.

    Fails when its files do not create a required object; warns, with the differences, for any other deviation.
    """
    known = status(ports.database, ports.env.database)
    own = read_application(ports.env.database.migrations, ledger=known.prisma.present)
    pending = tuple(each for each in MIGRATIONS if each.name in known.pending)
    if not own.differing(pending):
        return None
    try:
        with scratch_copy(ports, pulse, server=None, with_data=None) as copy:
            return _compared(copy.database, own, pending)
    except Inconclusive as unknown:
        return CheckResult(NAME, Verdict.WARN, f"not compared: {unknown.message}", EXPECTED, unknown.hint)


def _compared(copy: Postgres, own: ApplicationFiles, pending: tuple[Frozen, ...]) -> CheckResult:
    with copy.session("compare", autocommit=False, search_path="public") as connection:
        ours = _after(connection, [each.up for each in pending])
        try:
            theirs = _after(connection, [own.files.get(each.name, each.up) for each in pending])
        except CartctlError as failed:
            return CheckResult(NAME, Verdict.FAIL, f"the files failed: {failed.message}", EXPECTED)
    bad = [each for each in judge(theirs, AS_REQUIRED) if each.verdict is Verdict.FAIL]
    if bad:
        problems = "; ".join(
            f"{each.name} is {each.observed}, expected {each.expected}" for each in bad[:SHOWN]
        )
        return CheckResult(NAME, Verdict.FAIL, problems, EXPECTED, "Check the application's version.")
    lines = difference(ours, theirs).lines()
    if not lines:
        return CheckResult(NAME, Verdict.PASS, "different files, same effect")
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    hint = "" if own.run else 'To run the application\'s files instead: database.migrations.source = "prisma"'
    return CheckResult(NAME, Verdict.WARN, f"differences: {'; '.join(lines[:SHOWN])}{more}", EXPECTED, hint)


def _after(connection: Connection, scripts: list[bytes]) -> Catalogue:
    """The catalogue with these files executed, in a transaction that is rolled back."""
    try:
        with translated():
            for script in scripts:
                connection.execute(script)
            return read_catalogue(connection)
    finally:
        connection.rollback()
