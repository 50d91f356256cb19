"""Dependents of the tables, enums and columns to drop: named before anything is dropped, since CASCADE would drop them too."""

from collections.abc import Iterable
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection
from cartctl.database.drop.plan_objects import DropColumn

_QUERY = """
WITH target AS (
    SELECT 'table' AS kind, c.oid, c.relname AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'enum', t.oid, t.typname FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typname = ANY (%(enums)s)
),
gone AS (  -- columns of tables that stay
    SELECT a.attrelid, a.attnum, format('%%s.%%s', c.relname, a.attname) AS name
    FROM unnest(%(column_tables)s::text[], %(column_names)s::text[]) AS g (relname, attname)
    JOIN pg_class c ON c.relname = g.relname AND c.relnamespace = 'public'::regnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = g.attname AND NOT a.attisdropped
),
referred AS (  -- a table is also its row type, and every type has its array
    SELECT kind, name, CASE kind WHEN 'table' THEN 'pg_class'::regclass ELSE 'pg_type'::regclass END AS classid, oid, 0 AS subid
    FROM target
    UNION ALL
    SELECT 'column', name, 'pg_class'::regclass, attrelid, attnum FROM gone
    UNION ALL
    SELECT 'table', target.name, 'pg_type'::regclass, t.oid, 0 FROM target JOIN pg_type t ON t.typrelid = target.oid AND kind = 'table'
    UNION ALL
    SELECT target.kind, target.name, 'pg_type'::regclass, t.typarray, 0 FROM target
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
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN gone g ON d.adrelid = g.attrelid AND d.adnum = g.attnum
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE c.relnamespace = 'public'::regnamespace AND format('%%s.%%s', c.relname, k.conname) = ANY (%(parts)s)
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_class x ON x.oid = i.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND format('%%s.%%s', c.relname, x.relname) = ANY (%(parts)s)
    UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%(views)s)
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND format('%%s.%%s', c.relname, t.tgname) = ANY (%(parts)s)
)
SELECT DISTINCT r.kind, r.name, coalesce(
        (SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass::text
         FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
         WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND v.relkind IN ('v', 'm')),
        pg_describe_object(d.classid, d.objid, d.objsubid)) AS dependent
FROM referred r
JOIN pg_depend d ON d.refclassid = r.classid AND d.refobjid = r.oid AND (r.kind <> 'column' OR d.refobjsubid = r.subid)
WHERE (d.deptype = 'n' OR (r.kind = 'column' AND d.deptype = 'a' AND d.classid = 'pg_attrdef'::regclass))
  AND (d.classid, d.objid) NOT IN (SELECT classid, oid FROM inside)
  AND NOT (d.classid = 'pg_class'::regclass AND (d.objid, d.objsubid) IN (SELECT attrelid, attnum FROM gone))
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
    """An object that stays, and the object it needs that would be dropped."""

    kind: str  # table | enum | column, of those to drop
    name: str
    dependent: str  # as the server describes it

    def __str__(self) -> str:
        return f"{self.dependent} needs {self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class GoingAlong:
    """What is dropped besides tables and enums, and so does not count as a dependent; parts and triggers as `table.name`."""

    columns: tuple[DropColumn, ...] = ()
    parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()


NOTHING_ELSE = GoingAlong()


def find_dependents(
    connection: Connection, tables: Iterable[str], enums: Iterable[str], along: GoingAlong = NOTHING_ELSE
) -> list[Dependent]:
    """Views, keys, function bodies and columns that stay and need what is dropped. Read-only.

    Function bodies that are text (PL/pgSQL) are not known to the server: see `find_mentions`.
    """
    given = {
        "tables": list(tables),
        "enums": list(enums),
        "column_tables": [each.table for each in along.columns],
        "column_names": [each.name for each in along.columns],
        "parts": list(along.parts),
        "views": list(along.views),
    }
    return [Dependent(*row) for row in connection.execute(_QUERY.encode(), given).fetchall()]


def find_mentions(connection: Connection, names: Iterable[str]) -> list[str]:
    """Functions whose text mentions one of `names` as a word: they may use it or only mention it. Read-only."""
    pattern = rf"\m({'|'.join(sorted(names))})\M"
    return [str(row[0]) for row in connection.execute(_MENTIONS.encode(), (pattern,)).fetchall()]
