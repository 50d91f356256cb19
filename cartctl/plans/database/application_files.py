"""Compare the application's migration files with cartctl's: run both on a scratch copy and compare the catalogues."""

from cartctl.adapters.postgres import Connection, Postgres, as_application, translated
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.database.contract.contract_check import AS_REQUIRED, judge
from cartctl.database.contract.existing_objects import some_of
from cartctl.database.contract.migration_objects import described, find_objects
from cartctl.database.migrations.application.existing_parts import existing_parts
from cartctl.database.migrations.application.file_effect import must_be_tried
from cartctl.database.migrations.application.file_statements import read_statements
from cartctl.database.migrations.application.files import ApplicationFiles, read_application
from cartctl.database.migrations.status import State, act_as_owner_if_allowed, read_state
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Inconclusive
from cartctl.migrations.frozen import Frozen
from cartctl.ports import Ports

NAME = "migrations.application"
EXPECTED = "migration files with the same effect"
VERIFIED = "{}; each is checked by what it creates before it is committed"


def compare_application(ports: Ports, pulse: Pulse, *, before_run: bool = False) -> CheckResult | None:
    """Compare where the application's files differ from ours; None when there is nothing to compare.

    Fails when its files do not create a required object; warns, with the differences, for any other deviation. Migrations
    that are only to be recorded are not executed. With `before_run` files that the run itself judges are only named;
    raises Refused or ConfigError for those that it cannot execute.
    """
    with (
        ports.database.session("compare", search_path="public") as connection,
        act_as_owner_if_allowed(connection, ports.env.database),
    ):
        state = read_state(connection)
        own = read_application(ports.env.database.migrations, ledger=state.ledger.present)
        if not own.differing(state.pending):
            return None
        executed = _executed(connection, own, state)
    differing = own.differing(executed)
    if not differing:
        return None
    if before_run and own.run:
        own.require([each.name for each in executed])
    if before_run and not must_be_tried(own, differing):
        names = ", ".join(each.name for each in differing)
        return CheckResult(NAME, Verdict.WARN, VERIFIED.format(names), EXPECTED)
    return _tried(ports, pulse, own, executed)


def _tried(ports: Ports, pulse: Pulse, own: ApplicationFiles, executed: tuple[Frozen, ...]) -> CheckResult:
    from cartctl.plans.database.scratch_copy import scratch_copy  # the modules that start a server

    try:
        with scratch_copy(ports, pulse, server=None, with_data=None) as copy:
            return _compared(copy.database, own, executed)
    except Inconclusive as unknown:
        return CheckResult(NAME, Verdict.WARN, f"not compared: {unknown.message}", EXPECTED, unknown.hint)


def _executed(connection: Connection, own: ApplicationFiles, state: State) -> tuple[Frozen, ...]:
    """The pending migrations that a deployment executes; none where objects of one exist and block it."""
    objects = find_objects(connection, state.pending)
    executed = tuple(each for each in objects if not each.complete)
    migrations = tuple(each.migration for each in executed)
    files = [own.files.get(each.name, each.up) for each in migrations]
    created = [one for file in files for one in read_statements(file).created]
    blocked = any(each.existing for each in executed) or existing_parts(connection, created)
    return () if blocked else migrations


def _compared(copy: Postgres, own: ApplicationFiles, pending: tuple[Frozen, ...]) -> CheckResult:
    """Ours in a transaction that is rolled back, then the application's files as they run on the target."""
    with copy.session("compare", autocommit=False, search_path="public") as connection:
        ours = _after(connection, [each.up for each in pending])
    with copy.session("compare", search_path="public") as connection:
        try:
            with translated(), as_application(connection):
                for each in pending:
                    connection.execute(own.files.get(each.name, each.up))
            theirs = read_catalogue(connection)
        except CartctlError as failed:
            return CheckResult(NAME, Verdict.FAIL, f"the files failed: {failed.message}", EXPECTED)
    bad = described(each for each in judge(theirs, AS_REQUIRED) if each.verdict is Verdict.FAIL)
    if bad:
        return CheckResult(NAME, Verdict.FAIL, some_of(bad), EXPECTED, "Check the application's version.")
    lines = difference(ours, theirs).lines()
    if not lines:
        return CheckResult(NAME, Verdict.PASS, "different files, same effect")
    hint = (
        ""
        if own.run
        else 'To use the application\'s files instead, set database.migrations.source = "prisma".'
    )
    return CheckResult(NAME, Verdict.WARN, f"differences: {some_of(lines)}", EXPECTED, hint)


def _after(connection: Connection, scripts: list[bytes]) -> Catalogue:
    """The catalogue with these files executed, in a transaction that is rolled back."""
    try:
        with translated():
            for script in scripts:
                connection.execute(script)
            return read_catalogue(connection)
    finally:
        connection.rollback()
