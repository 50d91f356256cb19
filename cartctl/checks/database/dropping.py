"""What a database rollback requires besides its plan: ownership of what is dropped, a dump first, and space for it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cartctl.adapters.postgres import Connection
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.checks.database.database_check import Ask, creator
from cartctl.checks.results import failed, passed
from cartctl.config.model.environment import Database
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.model import CheckResult

_OWNERS = """
SELECT what || ' ' || name, pg_get_userbyid(owner) FROM (
    SELECT 'table' AS what, relname AS name, relowner AS owner FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(tables)s) AND relkind IN ('r', 'p')
    UNION ALL
    SELECT 'enum', typname, typowner FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = ANY (%(enums)s)
    UNION ALL
    SELECT 'schema', nspname, nspowner FROM pg_namespace WHERE nspname = 'cartctl' AND %(home)s
) AS goes WHERE NOT pg_has_role(%(role)s, owner, 'USAGE') ORDER BY 1
"""
_HIDDEN = """
SELECT relname, NOT has_table_privilege(%(role)s, oid, 'SELECT'),
       relrowsecurity AND (relforcerowsecurity OR NOT pg_has_role(%(role)s, relowner, 'USAGE'))
         AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %(role)s)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(tables)s) AND relkind IN ('r', 'p')
"""
_SIZE = """
SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(tables)s) AND relkind IN ('r', 'p')
"""
_LEDGER = """
SELECT has_table_privilege(%(role)s, 'public._prisma_migrations', 'DELETE')
   AND has_table_privilege(%(role)s, 'public._prisma_migrations', 'SELECT')
"""


def ownership(plan: DropPlan) -> Ask:
    """Only an owner may drop: the role is that of every table, enum and schema that goes."""

    def check(connection: Connection, settings: Database) -> Iterator[CheckResult]:
        role, name = creator(connection, settings), "database.owners"
        given = {
            "role": role,
            "tables": [*_tables(plan), *plan.altered],
            "enums": [*plan.enums, *(each.enum for each in plan.labels)],
            "home": plan.home,
        }
        strange = connection.execute(_OWNERS.encode(), given).fetchall()
        if strange:
            observed = "; ".join(f"{what} belongs to {owner}" for what, owner in strange)
            hint = f"GRANT {strange[0][1]} TO {role}, or transfer them to it: ALTER … OWNER TO {role}"
            yield failed(name, observed, f"objects of {role}", hint)
        else:
            yield passed(name, f"{role} may drop every object in the plan")
        if plan.ledger and connection.execute(_LEDGER.encode(), {"role": role}).fetchone() != (True,):
            hint = f"GRANT SELECT, DELETE ON public._prisma_migrations TO {role}"
            yield failed("database.ledger", f"{role} may not delete cartctl's rows", "DELETE", hint)

    return check


def saving(plan: DropPlan, directory: Path) -> Ask:
    """The dump of the rows: the tool, the right to read all of them, and disk space."""

    def check(connection: Connection, settings: Database) -> Iterator[CheckResult]:
        if not (plan.tables or plan.columns):
            return
        yield passed("database.tools", f"pg_dump {find_tools(connection.info.server_version).version}")
        role = creator(connection, settings)
        given = {"role": role, "tables": [*_tables(plan), *{each.table for each in plan.columns}]}
        rows = connection.execute(_HIDDEN.encode(), given).fetchall()
        name, expected = "database.readable", f"every row readable for {role}"
        if denied := [table for table, closed, _ in rows if closed]:
            yield failed(
                name,
                f"no SELECT on {', '.join(denied)}",
                expected,
                f"GRANT SELECT ON {', '.join(denied)} TO {role}",
            )
        elif hidden := [table for table, _, hides in rows if hides]:
            hint = f"ALTER ROLE {role} BYPASSRLS, or ALTER TABLE … NO FORCE ROW LEVEL SECURITY"
            yield failed(name, f"row-level security on {', '.join(hidden)}", expected, hint)
        else:
            yield passed(name, expected)
        size = connection.execute(_SIZE.encode(), {"tables": _tables(plan)}).fetchone()
        yield _room(directory, int(size[0]) if size and plan.rows else 0)

    return check


def _tables(plan: DropPlan) -> list[str]:
    return [table.name for table in plan.tables]


def _room(directory: Path, size: int) -> CheckResult:
    place = next(each for each in (directory, *directory.parents) if each.is_dir())
    name, expected = "database.room", f"{size / 1e6:,.1f} MB for the saved rows, writable"
    if not os.access(place, os.W_OK):
        return failed(
            name, f"{place} is not writable", expected, "Set CARTCTL_STATE_DIR to a writable directory."
        )
    free = shutil.disk_usage(place).free
    observed = f"{free / 1e6:,.1f} MB free in {place}"
    if free < size:
        return failed(
            name, observed, expected, "Free disk space there, or set CARTCTL_STATE_DIR to a larger disk."
        )
    return passed(name, observed, expected)
