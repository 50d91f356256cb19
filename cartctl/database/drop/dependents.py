"""Who outside the cart depends on its tables and enums: named before anything is dropped, since CASCADE would take them along."""

from collections.abc import Iterable
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection

_QUERY = """
WITH target AS (
    SELECT 'table' AS kind, c.oid, c.relname AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'enum', t.oid, t.typname FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typname = ANY (%(enums)s)
),
referred AS (  -- a table is also its row type, and every type has its array
    SELECT kind, name, CASE kind WHEN 'table' THEN 'pg_class'::regclass ELSE 'pg_type'::regclass END AS classid, oid FROM target
    UNION ALL
    SELECT 'table', target.name, 'pg_type'::regclass, t.oid FROM target JOIN pg_type t ON t.typrelid = target.oid AND kind = 'table'
    UNION ALL
    SELECT target.kind, target.name, 'pg_type'::regclass, t.typarray FROM target
    JOIN pg_type t ON t.typarray <> 0 AND ((kind = 'enum' AND t.oid = target.oid) OR (kind = 'table' AND t.typrelid = target.oid))
),
inside AS (
    SELECT 'pg_class'::regclass AS classid, oid FROM target WHERE kind = 'table'
    UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM target)
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid IN (SELECT oid FROM target)
    UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM target)
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM target)
    UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid IN (SELECT oid FROM target)
    UNION ALL SELECT 'pg_type'::regclass, oid FROM referred WHERE classid = 'pg_type'::regclass
)
SELECT DISTINCT r.kind, r.name, coalesce(
        (SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass::text
         FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
         WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND v.relkind IN ('v', 'm')),
        pg_describe_object(d.classid, d.objid, d.objsubid)) AS dependent
FROM referred r
JOIN pg_depend d ON d.refclassid = r.classid AND d.refobjid = r.oid
WHERE d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT classid, oid FROM inside)
ORDER BY 1, 2, 3
"""

_MENTIONS = r"""
SELECT format('%%s %%I.%%I', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, n.nspname, p.proname)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prosrc ~ %s
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Dependent:
    """Somebody else's object and the one of ours it needs."""

    kind: str  # table | enum, of ours
    name: str  # of ours
    dependent: str  # as the server describes it

    def __str__(self) -> str:
        return f"{self.dependent} needs {self.kind} {self.name}"


def find_dependents(connection: Connection, tables: Iterable[str], enums: Iterable[str]) -> list[Dependent]:
    """Views, keys, function bodies and columns outside `tables` and `enums` that need them. Read-only.

    Function bodies that are text (PL/pgSQL) are not known to the server: see `find_mentions`.
    """
    rows = connection.execute(_QUERY.encode(), {"tables": list(tables), "enums": list(enums)}).fetchall()
    return [Dependent(*row) for row in rows]


def find_mentions(connection: Connection, names: Iterable[str]) -> list[str]:
    """Functions whose text mentions one of `names` as a word: they may need it, or only say so. Read-only."""
    pattern = rf"\m({'|'.join(sorted(names))})\M"
    return [str(row[0]) for row in connection.execute(_MENTIONS.encode(), (pattern,)).fetchall()]
