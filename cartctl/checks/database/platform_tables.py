"""The platform's tables that the foreign keys refer to: they exist, and their kind and ID can be referenced."""

from collections.abc import Iterator
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection
from cartctl.checks.database.database_check import creator
from cartctl.checks.results import failed, passed
from cartctl.config.model.environment import Database
from cartctl.database.migrations.guards import PLATFORM
from cartctl.engine.model import CheckResult

STRICT_COLLATION = (
    180000  # server_version_num since which a key must have its target's nondeterministic collation
)
KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a type",
    "i": "an index",
}

_TABLES = """
SELECT c.relname, c.relkind::text, c.relpersistence::text, format_type(a.atttypid, a.atttypmod), u.there, u.immediate,
       coalesce(l.collisdeterministic, true),
       a.attnum IS NOT NULL AND has_column_privilege(%(role)s, c.oid, a.attnum, 'REFERENCES')
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped
LEFT JOIN pg_collation l ON l.oid = a.attcollation
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS there, coalesce(bool_or(i.indimmediate), false) AS immediate FROM pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) u
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(names)s)
"""


@dataclass(frozen=True, slots=True)
class _Table:
    kind: str
    persistence: str
    type: str | None
    unique: bool
    immediate: bool
    deterministic: bool
    references: bool


def check_platform(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """Each table can be referred to, and the role that makes the keys may do so."""
    role = creator(connection, settings)
    rows = connection.execute(_TABLES, {"role": role, "names": list(PLATFORM)}).fetchall()
    tables = {row[0]: _Table(*row[1:]) for row in rows}
    version = connection.info.server_version
    wrong = [
        f"{name} is missing" if name not in tables else f"{name}{fault}"
        for name in PLATFORM
        for fault in (_faults(tables[name], version) if name in tables else [""])
    ]
    hint = "A foreign key cannot refer to it: correct the table, or point database.dsn at the platform's database."
    expected = f"{', '.join(PLATFORM)} with a unique id of type text"
    yield (
        failed("database.tables", "; ".join(wrong), expected, hint)
        if wrong
        else passed("database.tables", ", ".join(sorted(tables)))
    )
    closed = sorted(
        name
        for name, table in tables.items()
        if table.kind in {"r", "p"} and table.type is not None and not table.references
    )
    name, expected = "database.references", f"REFERENCES for {role}"
    if closed:
        hint = f"GRANT REFERENCES ON {', '.join(closed)} TO {role}"
        yield failed(name, f"not granted on {', '.join(closed)}", expected, hint)
    else:
        yield passed(name, expected)


def _faults(table: _Table, version: int) -> list[str]:
    """What makes it impossible to refer to a table, as the end of a sentence that begins with its name."""
    if table.kind not in {"r", "p"}:
        return [f" is {KINDS.get(table.kind, 'not a table')}"]
    faults = []
    if table.persistence != "p":
        faults.append(" is UNLOGGED: a permanent table may not refer to it")
    if table.type is None or not table.type.startswith(("text", "character varying")):
        return [*faults, f".id is {table.type or 'missing'}"]
    if not table.unique:
        faults.append(".id is not unique")
    elif not table.immediate:
        faults.append(".id is unique only by a DEFERRABLE constraint: a foreign key may not refer to it")
    if not table.deterministic and version >= STRICT_COLLATION:
        faults.append(".id has a nondeterministic collation: a foreign key of type text may not refer to it")
    return faults
