"""Which objects of an application's file exist already: a partly applied file is not run again."""

from collections.abc import Sequence

from cartctl.adapters.postgres import Connection
from cartctl.database.migrations.application.file_statements import Created, read_statements

_QUERY = """
SELECT place FROM unnest(%(kinds)s::text[], %(names)s::text[], %(owners)s::text[]) WITH ORDINALITY AS made (kind, name, owner, place)
WHERE CASE kind
    WHEN 'type' THEN EXISTS (SELECT FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = name)
    WHEN 'column' THEN EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname = owner AND a.attname = name AND NOT a.attisdropped)
    WHEN 'constraint' THEN EXISTS (SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname = owner AND k.conname = name)
    WHEN 'label' THEN EXISTS (SELECT FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
        WHERE t.typnamespace = 'public'::regnamespace AND t.typname = owner AND e.enumlabel = name)
    ELSE EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = name) END
ORDER BY place
"""


def existing_parts(connection: Connection, created: Sequence[Created]) -> list[Created]:
    """Those that exist, in order; of an index or constraint by name. Read-only."""
    if not created:
        return []
    given = {
        "kinds": [each.kind for each in created],
        "names": [each.name for each in created],
        "owners": [each.of for each in created],
    }
    rows = connection.execute(_QUERY.encode(), given).fetchall()
    return [created[int(row[0]) - 1] for row in rows]


def missing_parts(connection: Connection, content: bytes) -> list[str]:
    """What a file creates that does not exist, by name. Read-only."""
    created = read_statements(content).created
    existing = existing_parts(connection, created)
    return [str(each) for each in created if each not in existing]
