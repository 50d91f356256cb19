"""Whether the database is one that the migrations can run on: server, rights, the platform's tables."""

from collections.abc import Iterable, Iterator
from typing import Any

from cartctl.adapters.postgres import Connection, DatabaseUnreachable, Postgres
from cartctl.checks.preflight.look import failed, passed, warned
from cartctl.config.model import Database
from cartctl.engine.model import CheckResult, Verdict
from cartctl.errors import Refused

OLDEST = 140000  # server_version_num
PLATFORM = ("companies", "customers", "products", "sites")
SET_OPTION = 160000  # server_version_num since which membership may come without SET ROLE
QUERY_LIMIT = "5s"

_STATE = """
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('default_transaction_read_only') = 'on', current_user
"""
_ROLE = """
SELECT count(*) > 0, coalesce(bool_or(pg_has_role(oid, %(right)s)), false) FROM pg_roles WHERE rolname = %(role)s
"""
_RIGHTS = """
SELECT has_schema_privilege(%(role)s, 'public', 'CREATE'),
       has_database_privilege(%(role)s, current_database(), 'CREATE'),
       to_regnamespace('cartctl') IS NOT NULL
         AND has_schema_privilege(%(role)s, to_regnamespace('cartctl')::oid, 'CREATE')
"""
_TABLES = """
SELECT c.relname, format_type(a.atttypid, a.atttypmod),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
                AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       has_table_privilege(%(role)s, c.oid, 'REFERENCES')
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(names)s)
"""


def look_at_database(postgres: Postgres, settings: Database) -> Iterator[CheckResult]:
    """The server and its owner role first; when they cannot be used, nothing else is asked. Read-only."""
    try:
        with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
            for part in (_server, _owner, _rights, _application, _platform):
                results = list(part(connection, settings))
                yield from results
                if any(result.verdict is Verdict.FAIL for result in results) and part in {_server, _owner}:
                    return
    except DatabaseUnreachable as error:
        yield failed("database.reachable", error.message, "an answer", error.hint)
    except Refused as error:
        yield failed("database.pooler", error.message, "a direct connection", error.hint)


def _server(connection: Connection, _: Database) -> Iterator[CheckResult]:
    version, standby, read_only, user = _one(connection, _STATE)
    yield passed("database.reachable", f"as {user}")
    number = connection.info.server_version
    yield (
        passed("database.version", version)
        if number >= OLDEST
        else failed("database.version", version, "14 or newer", "Upgrade the server before deploying.")
    )
    yield passed("database.pooler", "connected directly")
    if standby or read_only:
        observed = "a standby" if standby else "default_transaction_read_only is on"
        yield failed(
            "database.writable",
            observed,
            "a primary that accepts writes",
            "Point database.dsn at the primary.",
        )
    else:
        yield passed("database.writable", "a primary that accepts writes")


def _owner(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    role, name = settings.owner_role, "database.owner_role"
    if role is None:
        return
    exists, may_become = _role(connection, role)
    observed = f"the session may not become {role}" if exists else "no such role"
    hint = f"Create the role and GRANT {role} to the deployer."
    yield passed(name, role) if may_become else failed(name, observed, role, hint)


def _application(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    role, name = settings.app_role, "database.app_role"
    if role is None:
        hint = "Set database.app_role, unless the application connects as the tables' owner."
        yield warned(name, "not configured", "the application's role", hint)
        return
    hint = "Create it, or correct database.app_role: the application connects as this role."
    exists, _ = _role(connection, role)
    yield passed(name, role) if exists else failed(name, "no such role", role, hint)


def _rights(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """New tables go into public; cartctl's own schema is made by the deployer before."""
    role = _creator(connection, settings)
    public, _, _ = _one(connection, _RIGHTS, {"role": role})
    expected = f"CREATE in public for {role}"
    yield (
        passed("database.create", expected)
        if public
        else failed("database.create", "not granted", expected, f"GRANT CREATE ON SCHEMA public TO {role}")
    )
    user = _one(connection, "SELECT current_user")[0]
    _, database, own = _one(connection, _RIGHTS, {"role": user})
    expected = f"CREATE in the database for {user}"
    yield (
        passed("database.schemas", expected if database else "the schema cartctl is there")
        if database or own
        else failed("database.schemas", "not granted", expected, f"GRANT CREATE ON DATABASE … TO {user}")
    )


def _platform(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    role = _creator(connection, settings)
    rows = connection.execute(_TABLES, {"role": role, "names": list(PLATFORM)}).fetchall()
    found = {row[0]: row[1:] for row in rows}
    wrong = list(_wrong_tables(found))
    yield (
        failed(
            "database.tables",
            "; ".join(wrong),
            f"{', '.join(PLATFORM)} with a unique id of type text",
            "Point database.dsn at the platform's own database and schema.",
        )
        if wrong
        else passed("database.tables", ", ".join(sorted(found)))
    )
    closed = sorted(name for name, (_, _, references) in found.items() if not references)
    hint = f"GRANT REFERENCES ON {', '.join(closed)} TO {role}"
    yield (
        failed("database.references", f"not granted on {', '.join(closed)}", f"REFERENCES for {role}", hint)
        if closed
        else passed("database.references", f"REFERENCES for {role}")
    )


def _wrong_tables(found: dict[str, tuple[Any, ...]]) -> Iterable[str]:
    for name in PLATFORM:
        if name not in found:
            yield f"{name} is missing"
            continue
        kind, unique, _ = found[name]
        if kind is None or not kind.startswith(("text", "character varying")):
            yield f"{name}.id is {kind or 'missing'}"
        elif not unique:
            yield f"{name}.id is not unique"


def _role(connection: Connection, role: str) -> tuple[bool, bool]:
    """Whether a role exists, and whether the session may become it; since version 16 that is a right of its own."""
    right = "SET" if connection.info.server_version >= SET_OPTION else "MEMBER"
    exists, may_become = _one(connection, _ROLE, {"role": role, "right": right})
    return bool(exists), bool(may_become)


def _creator(connection: Connection, settings: Database) -> str:
    return settings.owner_role or str(_one(connection, "SELECT current_user")[0])


def _one(connection: Connection, query: str, parameters: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """The one row of a query that always has one."""
    row = connection.execute(query, parameters).fetchone()
    return row if row is not None else ()
