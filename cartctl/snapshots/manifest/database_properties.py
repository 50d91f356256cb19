"""Properties of a database that a dump does not contain: locale, tablespace, owner, grants, settings, comment, labels."""

from typing import Literal

from cartctl.adapters.postgres import Connection
from cartctl.errors import Refused
from cartctl.snapshots.manifest.untrusted import Integer, Line, Name, Part, Text

PROVIDERS: dict[str, Literal["libc", "icu", "builtin"]] = {"c": "libc", "i": "icu", "b": "builtin"}

_DATABASE = """
SELECT d.oid, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
       coalesce(j ->> 'datlocprovider', 'c'), coalesce(j ->> 'datlocale', j ->> 'daticulocale'), j ->> 'daticurules',
       j ->> 'datcollversion', spcname, datconnlimit, datistemplate, shobj_description(d.oid, 'pg_database'),
       datacl IS NOT NULL
FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace, to_jsonb(d) AS j WHERE datname = %s
"""
_GRANTS = """
SELECT pg_get_userbyid(grantor), CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type,
       is_grantable
FROM pg_database, aclexplode(datacl) WHERE oid = %s
"""
_SETTINGS = """
SELECT CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole) END, split_part(one, '=', 1),
       substr(one, strpos(one, '=') + 1)
FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY AS item(one, number) WHERE setdatabase = %s
ORDER BY setrole, number
"""
_LABELS = """
SELECT provider, label FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass AND objoid = %s ORDER BY 1
"""


class Grant(Part):
    """One privilege on the database; an empty grantee is PUBLIC."""

    grantor: Name
    grantee: Name
    privilege: Literal["CREATE", "CONNECT", "TEMPORARY"]
    grantable: bool


class Setting(Part):
    """One setting of the database, or of a role in it."""

    role: Name | None
    name: Name
    value: Text


class Label(Part):
    """One security label of the database."""

    provider: Name
    label: Text


class DatabaseProperties(Part):
    """All of it; `grants` is None where the server's defaults hold. `limit` is a number of connections, -1: any."""

    owner: Name
    encoding: Line
    collation: Line
    character_type: Line
    provider: Literal["libc", "icu", "builtin"] = "libc"
    locale: Line | None = None
    icu_rules: Text | None = None
    collation_version: Line | None = None
    tablespace: Name = "pg_default"
    limit: Integer = -1
    template: bool = False
    comment: Text | None = None
    grants: tuple[Grant, ...] | None = None
    settings: tuple[Setting, ...] = ()
    labels: tuple[Label, ...] = ()


def read_properties(connection: Connection, database: str) -> DatabaseProperties:
    """These properties of a database of the server. Read-only. Raises Refused if the database does not exist."""
    row = connection.execute(_DATABASE, (database,)).fetchone()
    if row is None:
        raise Refused(f"no database {database} on this server", hint="cartctl config show")
    oid, owner, encoding, collation, ctype, provider, locale, rules, version, *rest = row
    tablespace, limit, template, comment, granted = rest
    grants = connection.execute(_GRANTS, (oid,)).fetchall() if granted else None
    settings = connection.execute(_SETTINGS, (oid,)).fetchall()
    labels = connection.execute(_LABELS, (oid,)).fetchall()
    return DatabaseProperties(
        owner=owner,
        encoding=encoding,
        collation=collation,
        character_type=ctype,
        provider=PROVIDERS[provider],
        locale=locale,
        icu_rules=rules,
        collation_version=version,
        tablespace=tablespace,
        limit=limit,
        template=template,
        comment=comment,
        grants=None if grants is None else tuple(_grant(*each) for each in grants),
        settings=tuple(Setting(role=role, name=name, value=value) for role, name, value in settings),
        labels=tuple(Label(provider=provider, label=label) for provider, label in labels),
    )


def _grant(grantor: str, grantee: str, privilege: str, grantable: bool) -> Grant:
    return Grant.model_validate(
        {"grantor": grantor, "grantee": grantee, "privilege": privilege, "grantable": grantable}
    )
