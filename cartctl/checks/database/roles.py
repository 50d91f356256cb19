"""The roles: whether the owner can be had, may make what is made, and whether the application can use it afterwards."""

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection
from cartctl.checks.database.database_check import creator, one
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult

SET_OPTION = 160000  # server_version_num since which membership may come without SET ROLE
HOME = {  # cartctl's own tables: the columns that are written, and the rights needed
    "alembic_version": {"version_num"},
    "applied": {"revision", "adopted", "strict", "run", "at"},
}

_ROLE = """
SELECT count(*) > 0, coalesce(bool_or(pg_has_role(oid, %(right)s)), false) FROM pg_roles WHERE rolname = %(role)s
"""
_APP = """
SELECT r.rolcanlogin OR EXISTS (SELECT FROM pg_auth_members WHERE roleid = r.oid),
       has_schema_privilege(r.oid, 'public', 'USAGE')
FROM pg_roles r WHERE r.rolname = %(role)s
"""
_EXPIRY = """
SELECT to_char(rolvaliduntil, 'YYYY-MM-DD HH24:MI TZ') FROM pg_roles
WHERE rolname = session_user AND rolvaliduntil < now() + interval '1 day'
"""
_RIGHTS = """
SELECT has_schema_privilege(%(role)s, 'public', 'USAGE'), has_schema_privilege(%(role)s, 'public', 'CREATE'),
       has_database_privilege(%(role)s, current_database(), 'CREATE')
         OR has_database_privilege(session_user, current_database(), 'CREATE'),
       to_regnamespace('cartctl') IS NOT NULL,
       to_regnamespace('cartctl') IS NOT NULL AND has_schema_privilege(%(role)s, to_regnamespace('cartctl')::oid, 'USAGE')
         AND has_schema_privilege(%(role)s, to_regnamespace('cartctl')::oid, 'CREATE'),
       current_database(), session_user
"""
_HOME = """
SELECT c.relname, c.relkind::text, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
                                         AND NOT attisdropped),
       (SELECT bool_and(has_table_privilege(%(role)s, c.oid, p)) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p),
       pg_get_userbyid(c.relowner)
FROM pg_class c WHERE c.relnamespace = to_regnamespace('cartctl') AND c.relname = ANY (%(names)s)
"""


def check_owner(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """The owner exists, and the session may become it."""
    role, name = settings.owner_role, "database.owner_role"
    if role is not None:
        right = "SET" if connection.info.server_version >= SET_OPTION else "MEMBER"
        exists, may_become = one(connection, _ROLE, {"role": role, "right": right})
        user = connection.info.user
        observed = f"{user} may not become {role}" if exists else "no such role"
        hint = f"GRANT {role} TO {user}" if exists else f"CREATE ROLE {role}; GRANT {role} TO {user}"
        yield passed(name, role) if may_become else failed(name, observed, role, hint)
    expiry = connection.execute(_EXPIRY).fetchone()
    if expiry is not None:
        hint = "ALTER ROLE … VALID UNTIL: a run opens connections until it ends."
        yield warned("database.login", f"the password expires {expiry[0]}", "valid for more than a day", hint)


def check_application_role(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """The application's role exists, can be used, and will see the tables it is granted."""
    role, name = settings.app_role, "database.app_role"
    if role is None:
        hint = "Set database.app_role, unless the application connects as the tables' owner."
        yield warned(name, "not configured", "the application's role", hint)
        return
    row = connection.execute(_APP, {"role": role}).fetchone()
    if row is None:
        hint = "Create it, or correct database.app_role: the application connects as this role."
        yield failed(name, "no such role", role, hint)
        return
    usable, sees = row
    if not sees:
        yield failed(
            name, f"no USAGE on schema public for {role}", role, f"GRANT USAGE ON SCHEMA public TO {role}"
        )
    elif not usable:
        yield warned(
            name,
            f"{role} may not log in and has no members",
            role,
            "Check that the application connects as this role.",
        )
    else:
        yield passed(name, role)


def check_rights(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """New tables go into public; cartctl's own schema is made once, by the owner or the deployer, and written by the owner."""
    role = creator(connection, settings)
    usage, create, may_make, there, may_use, database, user = one(connection, _RIGHTS, {"role": role})
    lacking = [right for right, granted in (("USAGE", usage), ("CREATE", create)) if not granted]
    expected = f"CREATE in public for {role}"
    yield (
        failed(
            "database.create",
            "not granted",
            expected,
            f"GRANT {', '.join(lacking)} ON SCHEMA public TO {role}",
        )
        if lacking
        else passed("database.create", expected)
    )
    name = "database.schemas"
    if there:
        hint = f"GRANT USAGE, CREATE ON SCHEMA cartctl TO {role}"
        observed = f"{role} has no rights on the schema cartctl"
        yield (
            passed(name, "the schema cartctl exists")
            if may_use
            else failed(name, observed, "USAGE, CREATE", hint)
        )
        yield from _home(connection, role)
    else:
        expected = f"CREATE in the database for {user}"
        hint = f"GRANT CREATE ON DATABASE {database} TO {user}"
        yield passed(name, expected) if may_make else failed(name, "not granted", expected, hint)


def _home(connection: Connection, role: str) -> Iterator[CheckResult]:
    rows = connection.execute(_HOME, {"role": role, "names": list(HOME)}).fetchall()
    for table, kind, columns, writable, owner in rows:
        name, lacking = f"database.record.{table}", sorted(HOME[table] - set(columns))
        if kind != "r" or lacking:
            observed = "not a table" if kind != "r" else f"no column {', '.join(lacking)}"
            hint = f"Find out who created cartctl.{table}; if nothing uses it, rename it."
            yield failed(name, observed, "the table that cartctl creates", hint)
        elif not writable:
            hint = f"GRANT SELECT, INSERT, UPDATE, DELETE ON cartctl.{table} TO {role}"
            yield failed(name, f"{role} may not write it; its owner is {owner}", "writable", hint)
