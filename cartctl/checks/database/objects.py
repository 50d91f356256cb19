"""What is there already under the names that the migrations use, in public and in the ledger of Prisma Migrate."""

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection
from cartctl.checks.database.database_check import creator
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Database
from cartctl.database.contract.existing_objects import refuse_slow
from cartctl.database.migrations.application.files import ApplicationFiles, read_application
from cartctl.database.migrations.apply import refuse
from cartctl.database.migrations.ledger import COLUMNS, read_ledger
from cartctl.database.migrations.pending import find_work
from cartctl.database.migrations.status import act_as_owner_if_allowed, read_state
from cartctl.engine.model import CheckResult

LEDGER, LEDGER_EXPECTED = "database.ledger", "a ledger as created by Prisma Migrate, writable for cartctl"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")

_LEDGER = """
SELECT ARRAY(SELECT p FROM unnest(%(rights)s::text[]) AS p WHERE NOT has_table_privilege(%(role)s, c.oid, p)),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
               AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attname <> ALL (%(columns)s)),
       ARRAY(SELECT a.attname || ' is ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attname = ANY (%(columns)s) AND NOT CASE
               WHEN a.attname = ANY (ARRAY['finished_at', 'rolled_back_at', 'started_at']) THEN a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)
               WHEN a.attname = 'applied_steps_count' THEN a.atttypid IN ('int4'::regtype, 'int8'::regtype)
               ELSE a.atttypid IN ('varchar'::regtype, 'text'::regtype) END),
       c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(%(role)s, c.relowner, 'USAGE'))
         AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %(role)s),
       (SELECT relreplident = 'n' OR (relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)))
         AND EXISTS (SELECT FROM pg_publication_tables t JOIN pg_publication p ON p.pubname = t.pubname
                     WHERE t.schemaname = 'public' AND t.tablename = '_prisma_migrations' AND (p.pubupdate OR p.pubdelete)),
       ARRAY(SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D')
FROM pg_class c WHERE c.oid = to_regclass('public._prisma_migrations')
"""


def check_objects(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """No conflicting object has the name of one that the migrations create. Raises Refused naming it."""
    name, expected = "database.objects", "no conflicting objects"
    with act_as_owner_if_allowed(connection, settings):
        state = read_state(connection)
        refuse(state)
        if not state.pending:
            yield passed(name, "nothing is pending")
            return
        work = find_work(connection, settings, "preflight", state)
        refuse_slow(work.adoption)
    unchanged = len(work.adoption.kept) if work.adoption else 0
    yield passed(
        name,
        f"{unchanged} objects exist and stay unchanged" if unchanged else "none there yet",
        expected,
    )
    yield from _encoding(connection, work.application)


def _encoding(connection: Connection, application: ApplicationFiles) -> Iterator[CheckResult]:
    """The application's own files hold any text; the database's encoding may not."""
    row = connection.execute("SELECT getdatabaseencoding()").fetchone()
    encoding = str(row[0]) if row else "UTF8"
    if not application.run or encoding in {"UTF8", "SQL_ASCII"}:
        return
    for name, content in application.files.items():
        connection.execute("SELECT length(convert_from(%s, 'UTF8'))", (content,))
        yield passed("database.encoding", f"{name} can be written in {encoding}")


def check_ledger(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """If Prisma's ledger exists, the role can write cartctl's rows to it."""
    role = creator(connection, settings)
    given = {"role": role, "rights": list(RIGHTS), "columns": sorted(COLUMNS)}
    row = connection.execute(_LEDGER.encode(), given).fetchone()
    if row is None:
        return
    denied, *facts, triggers = row
    if denied:
        hint = f"GRANT {', '.join(RIGHTS)} ON public._prisma_migrations TO {role}"
        yield failed(LEDGER, f"{role} lacks {', '.join(denied)}", LEDGER_EXPECTED, hint)
        return
    with act_as_owner_if_allowed(connection, settings):
        read_ledger(connection)
    wrong = list(_wrong_ledger(role, *facts))
    yield from wrong
    if triggers:
        observed = f"triggers run on it: {', '.join(triggers)}"
        yield warned(LEDGER, observed, LEDGER_EXPECTED, "Check what they do with cartctl's rows.")
    elif not wrong:
        files = read_application(settings.migrations, ledger=True).files
        observed = f"{len(files)} of the application's own files are recognised" if files else "usable"
        yield passed(LEDGER, observed, LEDGER_EXPECTED)


def _wrong_ledger(
    role: str, needed: list[str], types: list[str], hidden: bool, unpublished: bool
) -> Iterator[CheckResult]:
    """One failure for each property of the table on which cartctl's rows would fail."""
    if needed:
        hint = "Give these columns a default, or drop them."
        yield failed(LEDGER, f"needs a value for {', '.join(needed)}", LEDGER_EXPECTED, hint)
    if types:
        hint = "Find out who changed the table; Prisma Migrate would also fail on it."
        yield failed(LEDGER, ", ".join(types), LEDGER_EXPECTED, hint)
    if hidden:
        hint = f"ALTER ROLE {role} BYPASSRLS, or drop the policy."
        yield failed(LEDGER, "row-level security hides rows from this role", LEDGER_EXPECTED, hint)
    if unpublished:
        observed = "is published without a primary key or replica identity: no row can be changed or removed"
        hint = "ALTER TABLE public._prisma_migrations ADD PRIMARY KEY (id)"
        yield failed(LEDGER, observed, LEDGER_EXPECTED, hint)
