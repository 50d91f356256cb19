"""Removing labels from an enum: PostgreSQL has no statement for it, so the type is recreated and its columns are rewritten.

That keeps readers and writers out of those tables, so it is done only where no row uses the labels and the tables are small.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from cartctl.adapters.postgres import Connection, sql
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.plan_objects import RebuiltEnum

LOCK_BUDGET = timedelta(seconds=2)  # how long readers and writers may wait for a rewritten table
REWRITTEN = 20_000_000  # bytes a second, with indexes; a conservative estimate
LARGEST = int(LOCK_BUDGET.total_seconds() * REWRITTEN)

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, a.atttypid = t.typarray, pg_get_expr(d.adbin, d.adrelid),
       coalesce((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid)), pg_total_relation_size(c.oid))::bigint
FROM pg_type t
JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped AND a.attinhcount = 0
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.typnamespace = 'public'::regnamespace AND t.typname = %(enum)s
ORDER BY 1, 2, 3
"""
# Indexes and checks with constants of the type are recreated; any other dependent prevents the rebuild.
_USERS = """
WITH kind AS (
    SELECT oid, typarray FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = %(enum)s
), used AS (
    SELECT a.attrelid, a.attnum FROM kind k JOIN pg_attribute a ON a.atttypid IN (k.oid, k.typarray) AND NOT a.attisdropped
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
), needs AS (
    SELECT d.classid, d.objid, d.objsubid FROM pg_depend d JOIN kind k ON d.refobjid IN (k.oid, k.typarray)
    WHERE d.refclassid = 'pg_type'::regclass AND d.deptype IN ('n', 'a')
      AND NOT (d.classid = 'pg_class'::regclass AND (d.objid, d.objsubid) IN (SELECT attrelid, attnum FROM used))
    UNION
    SELECT d.classid, d.objid, d.objsubid FROM pg_depend d JOIN used u ON d.refobjid = u.attrelid AND d.refobjsubid = u.attnum
    WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('n', 'a') AND d.classid <> 'pg_class'::regclass
      AND (d.classid <> 'pg_constraint'::regclass OR EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.contype = 'f'))
      AND d.classid <> 'pg_statistic_ext'::regclass
      AND NOT EXISTS (SELECT FROM pg_attrdef f WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid AND f.adnum = u.attnum)
)
SELECT CASE WHEN i.indexrelid IS NOT NULL THEN 'index' WHEN k.contype IN ('c', 'x') THEN 'constraint' ELSE 'other' END,
       coalesce(ci.relname, k.conname), coalesce(ti.relnamespace::regnamespace::text, tk.relnamespace::regnamespace::text),
       coalesce(ti.relname, tk.relname), coalesce(pg_get_indexdef(i.indexrelid), pg_get_constraintdef(k.oid)),
       coalesce((SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass::text
                 FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
                 WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND v.relkind IN ('v', 'm')),
                pg_describe_object(d.classid, d.objid, d.objsubid)),
       coalesce(ti.relname, tk.relname, ta.relname), a.attname
FROM needs d
LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
LEFT JOIN pg_class ci ON ci.oid = i.indexrelid
LEFT JOIN pg_class ti ON ti.oid = i.indrelid
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_class tk ON tk.oid = k.conrelid
LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_class ta ON ta.oid = f.adrelid
LEFT JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
WHERE f.oid IS NULL OR a.attgenerated <> '' OR a.atttypid NOT IN (SELECT unnest(ARRAY[oid, typarray]) FROM kind)
ORDER BY 1, 4, 2, 6
"""
_PARTITION_KEYS = """
SELECT p.partrelid::regclass::text FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid
JOIN pg_type t ON a.atttypid IN (t.oid, t.typarray)
WHERE a.attnum = ANY (p.partattrs) AND t.typnamespace = 'public'::regnamespace AND t.typname = %(enum)s ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class EnumColumn:
    """A column of an enum, with its default as SQL; `bytes` of its table with indexes and partitions."""

    schema: str
    table: str
    name: str
    array: bool
    default: str | None
    bytes: int

    def __str__(self) -> str:
        prefix = "" if self.schema == SCHEMA else f"{self.schema}."
        return f"{prefix}{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class EnumUser:
    """Another dependent of an enum: an index or constraint with its definition, or something that cannot be recreated."""

    kind: str  # index | constraint | other
    name: str
    schema: str
    table: str
    definition: str
    description: str


@dataclass(frozen=True, slots=True)
class Going:
    """What the rollback drops anyway: its uses of the enum do not count."""

    tables: frozenset[str] = frozenset()
    columns: frozenset[tuple[str, str]] = frozenset()
    parts: frozenset[tuple[str, str]] = frozenset()  # table and index or constraint


def enum_columns(connection: Connection, enum: str, going: Going = Going()) -> list[EnumColumn]:
    """The columns of an enum and of its arrays, without those that are dropped. Read-only."""
    rows = connection.execute(_COLUMNS.encode(), {"enum": enum}).fetchall()
    return [
        EnumColumn(*row)
        for row in rows
        if row[1] not in going.tables and (row[1], row[2]) not in going.columns
    ]


def enum_users(connection: Connection, enum: str, going: Going = Going()) -> list[EnumUser]:
    """Other dependents of an enum, without those that are dropped. Read-only."""
    users = [
        EnumUser(*row[:6])
        for row in connection.execute(_USERS.encode(), {"enum": enum}).fetchall()
        if row[6] not in going.tables
        and (row[6], row[1]) not in going.parts
        and (row[6], row[7]) not in going.columns
    ]
    keys = connection.execute(_PARTITION_KEYS.encode(), {"enum": enum}).fetchall()
    return users + [EnumUser("other", "", "", "", "", f"the partition key of {row[0]}") for row in keys]


def plan_rebuild(connection: Connection, rebuilt: RebuiltEnum, going: Going) -> RebuiltEnum:
    """`wanted` with the columns it has, and why it cannot be rebuilt, if so. Read-only; large tables are not read."""
    columns = enum_columns(connection, rebuilt.enum, going)
    users = enum_users(connection, rebuilt.enum, going)
    sizes = {(each.schema, each.table): each.bytes for each in columns}
    blocked = list(_blocked(rebuilt, columns, users))
    if sum(sizes.values()) > LARGEST:
        names = ", ".join(sorted(name for _, name in sizes))
        blocked.append(
            f"{names}: {sum(sizes.values()) / 1e6:,.0f} MB would be rewritten under a lock; the limit is {LARGEST / 1e6:,.0f} MB"
        )
    else:
        blocked += users_of_labels(connection, rebuilt, columns)
    listed = tuple(map(str, columns))
    return replace(rebuilt, columns=listed, bytes=sum(sizes.values()), blocked=tuple(blocked))


def users_of_labels(
    connection: Connection, rebuilt: RebuiltEnum, columns: Iterable[EnumColumn]
) -> Iterator[str]:
    """The columns in which some row has one of the labels. Read-only."""
    for column in columns:
        name = sql.Identifier(column.name)
        test = sql.SQL("{} && %s::text[]" if column.array else "{} = ANY (%s)").format(
            sql.SQL("{}::text[]" if column.array else "{}::text").format(name)
        )
        query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(
            sql.Identifier(column.schema, column.table), test
        )
        if connection.execute(query, (list(rebuilt.labels),)).fetchone() == (True,):
            yield f"rows use {' or '.join(rebuilt.labels)} in {column}"


def _blocked(rebuilt: RebuiltEnum, columns: Iterable[EnumColumn], users: Iterable[EnumUser]) -> Iterator[str]:
    yield from (f"{each.description} needs the type" for each in users if each.kind == "other")
    texts = [(each.description, each.definition) for each in users if each.kind != "other"]
    texts += [(f"the default of {each}", each.default or "") for each in columns]
    for description, text in texts:
        if any(sql.Literal(label).as_string() in text for label in rebuilt.labels):
            yield f"{description} uses {' or '.join(rebuilt.labels)}"
