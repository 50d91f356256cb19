"""Every object of a database with a digest of its definition, from the catalogue's own rows. No kind is excluded.

Digests are of raw rows, object identifiers included: they compare two moments of one database, not two databases.
"""

# ruff: noqa: S608 - the queries are put together from this module's own words

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection
from cartctl.snapshots.manifest.recorded_state import Sequence

FIRST_OF_USERS = 16384  # the object identifier of the first object that is not the server's own
_SKIPPED = "(SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp_)' OR nspname = '{journal}')"
_RELATIONS = f"(SELECT oid FROM pg_class WHERE relnamespace IN {_SKIPPED})"
_OIDS = "oid indexrelid conindid tgconstrindid reltoastrelid relfilenode"
_STATISTICS = "relpages reltuples relallvisible relallfrozen relfrozenxid relminmxid relhasindex relhasrules relhastriggers relhassubclass relispopulated"

# catalogue → (the class and column that its rows belong to, excluded columns, the condition)
_IN_SCHEMAS = {
    "pg_class": ("relnamespace", f"{_STATISTICS} reltype", "true"),
    "pg_type": (
        "typnamespace",
        "typarray",
        "typcategory <> 'A' AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = typrelid AND relkind <> 'c')",
    ),
    "pg_proc": ("pronamespace", "", "true"),
    "pg_constraint": ("connamespace", "", "true"),
    "pg_operator": ("oprnamespace", "", "true"),
    "pg_opclass": ("opcnamespace", "", "true"),
    "pg_opfamily": ("opfnamespace", "", "true"),
    "pg_collation": ("collnamespace", "collversion", "true"),
    "pg_conversion": ("connamespace", "", "true"),
    "pg_statistic_ext": ("stxnamespace", "stxstattarget", "true"),
    "pg_ts_config": ("cfgnamespace", "", "true"),
    "pg_ts_dict": ("dictnamespace", "", "true"),
    "pg_ts_parser": ("prsnamespace", "", "true"),
    "pg_ts_template": ("tmplnamespace", "", "true"),
}
_OF_RELATIONS = {
    "pg_trigger": ("tgrelid", "NOT tgisinternal"),
    "pg_rewrite": ("ev_class", "true"),
    "pg_policy": ("polrelid", "true"),
}
_ELSEWHERE = [
    "pg_cast",
    "pg_language",
    "pg_extension",
    "pg_event_trigger",
    "pg_publication",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_am",
    "pg_transform",
    "pg_default_acl",
]
_PARTS = (  # rows without their own name: (catalogue, class and column of their owner, excluded columns)
    ("pg_attribute", "pg_class", "attrelid", "attstattarget atthasmissing attmissingval attcacheoff"),
    ("pg_attrdef", "pg_class", "adrelid", ""),
    ("pg_index", "pg_class", "indexrelid", "indcheckxmin"),
    ("pg_inherits", "pg_class", "inhrelid", ""),
    ("pg_sequence", "pg_class", "seqrelid", ""),
    ("pg_partitioned_table", "pg_class", "partrelid", ""),
    ("pg_foreign_table", "pg_class", "ftrelid", ""),
    ("pg_enum", "pg_type", "enumtypid", ""),
    ("pg_range", "pg_type", "rngtypid", ""),
    ("pg_aggregate", "pg_proc", "aggfnoid", ""),
    ("pg_amop", "pg_opfamily", "amopfamily", ""),
    ("pg_amproc", "pg_opfamily", "amprocfamily", ""),
    ("pg_ts_config_map", "pg_ts_config", "mapcfg", ""),
    ("pg_publication_rel", "pg_publication", "prpubid", ""),
    ("pg_publication_namespace", "pg_publication", "pnpubid", ""),
)
_ACLS = (
    ("pg_class", "relacl", "relnamespace"),
    ("pg_proc", "proacl", "pronamespace"),
)  # of the server's own objects


def read_objects(connection: Connection, journal: str) -> dict[str, str]:
    """Digest by type and name of every object but those of the schema `journal` and temporary ones. Read-only."""
    parts = " UNION ALL ".join(_parts(connection.info.server_version)).replace("{journal}", journal)
    rows = connection.execute(
        f"""WITH part AS MATERIALIZED ({parts}),
                 object AS (SELECT class, id, left(md5(string_agg(text, '' ORDER BY text COLLATE "C")), 16) AS digest
                            FROM part GROUP BY class, id)
            SELECT i.type || ' ' || coalesce(i.identity, id::text), digest
            FROM object, pg_identify_object(class, id, 0) AS i""".encode()
    ).fetchall()
    return {str(name): str(digest) for name, digest in rows}


def _parts(version: int) -> Iterator[str]:
    yield f"SELECT 'pg_namespace'::regclass AS class, oid AS id, to_jsonb(c)::text AS text FROM pg_namespace c WHERE oid NOT IN {_SKIPPED}"
    for name, (namespace, left_out, condition) in _IN_SCHEMAS.items():
        own = f"oid >= {FIRST_OF_USERS} AND {namespace} NOT IN {_SKIPPED} AND {condition}"
        yield _select(name, name, "oid", left_out, own)
    for name, (relation, condition) in _OF_RELATIONS.items():
        own = f"oid >= {FIRST_OF_USERS} AND {relation} NOT IN {_RELATIONS} AND {condition}"
        yield _select(name, name, "oid", "", own)
    for name in _ELSEWHERE:
        yield _select(name, name, "oid", "", f"oid >= {FIRST_OF_USERS}")
    for name, owner, column, left_out in _PARTS:
        if name == "pg_publication_namespace" and version < 150000:  # noqa: PLR2004 - where it came with
            continue
        skipped = f" AND {column} NOT IN {_RELATIONS}" if owner == "pg_class" else ""
        more = " AND attnum > 0" if name == "pg_attribute" else ""
        yield _select(name, owner, column, left_out, f"{column} >= {FIRST_OF_USERS}{skipped}{more}")
    for name, acl, namespace in _ACLS:
        yield (
            f"SELECT '{name}'::regclass, oid, {acl}::text FROM {name} "
            f"WHERE oid < {FIRST_OF_USERS} AND {acl} IS NOT NULL AND {namespace} NOT IN {_SKIPPED}"
        )
    yield (
        "SELECT 'pg_subscription'::regclass, oid, concat_ws(' ', subname, subowner, subenabled, subpublications) "
        "FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    yield "SELECT 'pg_user_mapping'::regclass, umid, to_jsonb(c)::text FROM pg_user_mappings c"
    for name in ("pg_description", "pg_seclabel"):
        yield (
            f"SELECT classoid::regclass, objoid, to_jsonb(c)::text FROM {name} c WHERE objoid >= {FIRST_OF_USERS} "
            f"AND classoid <> 'pg_largeobject'::regclass AND objoid NOT IN {_RELATIONS}"
        )


def _select(name: str, owner: str, column: str, left_out: str, condition: str) -> str:
    out = ",".join(f"{_OIDS} {left_out}".split())
    return f"SELECT '{owner}'::regclass, {column}::oid, (to_jsonb(c) - '{{{out}}}'::text[])::text FROM {name} c WHERE {condition}"


_SEQUENCES = """
SELECT n.nspname, c.relname, format('%%I.%%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE relkind = 'S' AND relpersistence <> 't' AND nspname <> %s ORDER BY 1, 2
"""
_AT_ONCE = 100


def read_sequences(connection: Connection, journal: str) -> tuple[Sequence, ...]:
    """Every sequence's value. Read-only. Raises SqlFailed for one that may not be read."""
    known = connection.execute(_SEQUENCES, (journal,)).fetchall()
    sequences = []
    for start in range(0, len(known), _AT_ONCE):
        some = known[start : start + _AT_ONCE]
        each = (f"SELECT {number}, last_value, is_called FROM {name[2]}" for number, name in enumerate(some))
        for number, value, called in connection.execute(" UNION ALL ".join(each).encode()).fetchall():
            schema, name, _ = some[number]
            sequences.append(Sequence(schema_name=schema, name=name, last_value=value, called=called))
    return tuple(sequences)
