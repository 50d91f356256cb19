"""Name conflicts of the migrations: with another kind of object, on another table, or with an extension.

Read from the system tables, because a namespace contains more than the catalogue of the cart's objects shows: relations share it
with indexes and views, types with the row types of tables.
"""

from collections.abc import Iterator, Mapping, Sequence

from cartctl.adapters.postgres import Connection
from cartctl.migrations.frozen import Statement

KINDS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "f": "foreign table",
    "c": "composite type",
    "t": "TOAST table",
}
TYPES = {
    "e": "enum",
    "d": "domain",
    "c": "row type of another relation",
    "r": "range type",
    "m": "multirange type",
}

_RELATIONS = """
SELECT c.relname, c.relkind::text, t.relname, e.extname
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) ORDER BY 1
"""
_TYPES = """
SELECT t.typname, t.typtype::text, coalesce(c.relname = t.typname AND c.relkind <> 'c', false), e.extname
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = d.refobjid
WHERE t.typnamespace = 'public'::regnamespace AND t.typname = ANY (%s) ORDER BY 1
"""


def names_used(statements: Sequence[Statement]) -> Mapping[str, tuple[str, str | None]]:
    """Each relation's name that the statements use: its kind, and for an index its table. Pure."""
    relations = {
        each.makes: (each.kind, each.table) for each in statements if each.kind in {"table", "index"}
    }
    keys = {f"{each.makes}_pkey": ("index", each.makes) for each in statements if each.kind == "table"}
    return {**keys, **relations}


def conflicting_names(connection: Connection, statements: Sequence[Statement]) -> Iterator[str]:
    """One line for each name that is taken by what the migrations could not adopt. Read-only."""
    relations = names_used(statements)
    for name, kind, table, extension in connection.execute(
        _RELATIONS.encode(), (list(relations),)
    ).fetchall():
        wants, on = relations[name]
        actual = KINDS.get(kind, "relation")
        if extension:
            yield f"{wants} {name}: the {actual} with this name belongs to the extension {extension}"
        elif actual != wants:
            yield f"{wants} {name}: a {actual} with this name exists"
        elif wants == "index" and table != on:
            yield f"index {name}: an index with this name exists on {table}"
    enums = {each.makes for each in statements if each.kind == "type"}
    types = [*enums, *(name for name, (kind, _) in relations.items() if kind == "table")]
    for name, kind, own, extension in connection.execute(_TYPES.encode(), (types,)).fetchall():
        if own and name not in enums:
            continue  # a table's own row type
        if extension:
            yield f"type {name}: the type with this name belongs to the extension {extension}"
        elif name not in enums or kind != "e":
            yield f"{'type' if name in enums else 'table'} {name}: there is a {TYPES.get(kind, 'type')} of this name"
