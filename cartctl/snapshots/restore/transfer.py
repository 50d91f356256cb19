"""Transfers a database's properties to a new one: its locale at creation, then grants, settings and labels."""

import re
from collections.abc import Iterator

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, SqlFailed, sql, translated
from cartctl.errors import Refused
from cartctl.snapshots.manifest.database_properties import DatabaseProperties, Grant, Label, Setting

PROVIDERS_SINCE, RULES_SINCE, BUILTIN_SINCE = 150000, 160000, 170000  # server_version_num
LISTS = {  # settings whose value is a list of quoted names: one literal would be one name
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)')


def create_database(connection: Connection, name: str, around: DatabaseProperties) -> None:
    """An empty database with the same encoding, locale provider, locale, owner and tablespace."""
    parts = [
        sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)),
        *_locale(connection.info.server_version, around),
        sql.SQL("OWNER {}").format(sql.Identifier(around.owner)),
    ]
    if around.tablespace != _default_tablespace(
        connection
    ):  # specifying that one requires a privilege, omitting it does not
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(around.tablespace)))
    with effect("postgres.restore.create"):
        connection.execute(sql.SQL(" ").join(parts))


def _default_tablespace(connection: Connection) -> str:
    row = connection.execute(
        """SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace
           WHERE datname = 'template0'"""
    ).fetchone()
    return str(row[0]) if row else ""


def create_scratch_database(connection: Connection, name: str, around: DatabaseProperties) -> None:
    """As `create_database`, for a server with fewer features: no tablespace, the current role as owner, no unknown locale."""
    bare = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    plain = DatabaseProperties(owner="", encoding=around.encoding, collation="C", character_type="C")
    for attempt in (around, plain):
        try:
            with translated():
                locale = _locale(connection.info.server_version, attempt)
                connection.execute(sql.SQL(" ").join([bare, *locale]))
        except SqlFailed:
            if attempt is plain:
                raise
        else:
            return


def _locale(version: int, around: DatabaseProperties) -> Iterator[sql.Composed]:
    yield sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        sql.Literal(around.encoding), sql.Literal(around.collation), sql.Literal(around.character_type)
    )
    if version >= PROVIDERS_SINCE:
        yield sql.SQL("LOCALE_PROVIDER {}").format(sql.SQL(around.provider))
    if around.provider == "icu":
        yield sql.SQL("ICU_LOCALE {}").format(sql.Literal(around.locale))
        if around.icu_rules is not None:
            yield sql.SQL("ICU_RULES {}").format(sql.Literal(around.icu_rules))
    if around.provider == "builtin":
        yield sql.SQL("BUILTIN_LOCALE {}").format(sql.Literal(around.locale))


def lacking(
    connection: Connection, around: DatabaseProperties, tablespaces: tuple[str, ...]
) -> Iterator[str]:
    """What a database and its objects need and this server lacks. Read-only."""
    version = connection.info.server_version
    if around.provider == "builtin" and version < BUILTIN_SINCE:
        yield "the locale provider builtin"
    if around.icu_rules is not None and version < RULES_SINCE:
        yield "ICU rules"
    for name in {around.tablespace, *tablespaces} - {_default_tablespace(connection)}:
        row = connection.execute(
            "SELECT has_tablespace_privilege(oid, 'CREATE') FROM pg_tablespace WHERE spcname = %s", (name,)
        ).fetchone()
        if row is None:
            yield f"the tablespace {name}"
        elif row != (True,):
            yield f"the right to create in the tablespace {name}"


def carry_over(connection: Connection, name: str, around: DatabaseProperties) -> None:
    """Grants, settings, limit and security labels onto the database `name`."""
    database = sql.Identifier(name)
    connection.execute(
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, sql.Literal(around.limit))
    )
    if around.grants is not None:
        apply_grants(connection, database, around)
    for setting in around.settings:
        apply_setting(connection, database, setting)
    for label in around.labels:
        apply_label(connection, database, label)


def finish(connection: Connection, name: str, around: DatabaseProperties) -> None:
    """The comment, and whether it is a template: last, because until then they mark it as droppable."""
    set_comment(connection, name, around.comment)
    connection.execute(
        sql.SQL("ALTER DATABASE {} IS_TEMPLATE {}").format(sql.Identifier(name), sql.Literal(around.template))
    )


def set_comment(connection: Connection, name: str, comment: str | None) -> None:
    """The comment of a database; None removes it."""
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(comment))
    )


def try_carry_over(connection: Connection, name: str, around: DatabaseProperties) -> None:
    """Transfer and roll it back: missing permissions are detected before the rows are restored.

    Raises Refused with the server's sentence.
    """
    try:
        with translated(), connection.transaction(force_rollback=True):
            carry_over(connection, name, around)
            finish(connection, name, around)
    except SqlFailed as denied:
        raise Refused(
            f"settings, grants or labels of the live database cannot be carried over: {denied.message}",
            hint="Restore as a superuser, or RESET that setting first: \\drds and \\l in psql show them.",
        ) from denied


def apply_grants(connection: Connection, database: sql.Identifier, around: DatabaseProperties) -> None:
    """As they were granted, each by its own grantor once that one holds what it passes on."""
    owner = sql.Identifier(around.owner)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC, {}").format(database, owner))
    for grant in _in_order(around):
        passing = grant.grantor != around.owner
        if passing:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(grant.grantor)))
        who = sql.Identifier(grant.grantee) if grant.grantee else sql.SQL("PUBLIC")
        what = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(grant.privilege), database, who)
        connection.execute(what + sql.SQL(" WITH GRANT OPTION" if grant.grantable else ""))
        if passing:
            connection.execute("RESET ROLE")


def _in_order(around: DatabaseProperties) -> Iterator[Grant]:
    waiting = list(around.grants or ())
    able = {(around.owner, each) for each in ("CREATE", "CONNECT", "TEMPORARY")}
    while waiting:
        ready = [grant for grant in waiting if (grant.grantor, grant.privilege) in able] or waiting
        for grant in ready:
            if grant.grantable:
                able.add((grant.grantee, grant.privilege))
        waiting = [grant for grant in waiting if grant not in ready]
        yield from ready


def apply_label(connection: Connection, database: sql.Identifier, label: Label) -> None:
    """One security label, onto a database."""
    connection.execute(
        sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}").format(
            sql.Identifier(label.provider), database, sql.Literal(label.label)
        )
    )


def apply_setting(connection: Connection, database: sql.Identifier, setting: Setting) -> None:
    """As pg_dump writes it: a list item by item, anything else as one literal. Nothing is set in this session."""
    whose = (
        sql.SQL("ALTER DATABASE {}").format(database)
        if setting.role is None
        else sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(setting.role), database)
    )
    values = list_items(setting.value) if setting.name.lower() in LISTS else [setting.value]
    value = sql.SQL(", ").join(map(sql.Literal, values))
    connection.execute(whose + sql.SQL(" SET {} TO ").format(sql.Identifier(setting.name)) + value)


def list_items(value: str) -> list[str]:
    """The names of a list as the server keeps it. Pure."""
    return [(one.replace('""', '"') if one else two) for one, two in _ITEM.findall(value)] or [""]
