"""Transfers a database's properties to a scratch copy on another server, as far as that server supports them."""

from collections.abc import Callable, Iterator
from functools import partial

from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, sql, translated
from cartctl.snapshots.manifest.database_properties import DatabaseProperties, Setting
from cartctl.snapshots.restore.transfer import (
    apply_grants,
    apply_label,
    apply_setting,
    list_items,
    set_comment,
)

_PLUGINS = "$libdir/plugins/"
PRELOADS = {
    "session_preload_libraries": "",
    "local_preload_libraries": _PLUGINS,
}  # and where an unqualified name is resolved


def own_scratch(
    connection: Connection, server: Postgres, name: str, around: DatabaseProperties
) -> tuple[str, ...]:
    """Owner, grants, settings, comment and labels onto the database `name`; returns what was not carried over.

    A library that the server cannot load would keep every session from starting, so it is tried first, in a session of
    its own. Settings and labels that the server does not know are not carried over either; owner and grants must be.
    """
    database = sql.Identifier(name)
    owner = sql.Identifier(around.owner)
    limit = sql.Literal(around.limit)
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))
    connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, limit))
    if around.grants is not None:
        apply_grants(connection, database, around)
    set_comment(connection, name, around.comment)
    return tuple(_tried(_each(connection, server, database, around)))


def _each(
    connection: Connection, server: Postgres, database: sql.Identifier, around: DatabaseProperties
) -> Iterator[tuple[str, Callable[[], object]]]:
    for setting in around.settings:
        yield _shown(setting), partial(_apply, connection, server, database, setting)
    for label in around.labels:
        yield f"security label of {label.provider}", partial(apply_label, connection, database, label)


def _tried(parts: Iterator[tuple[str, Callable[[], object]]]) -> Iterator[str]:
    for what, apply in parts:
        try:
            with translated():
                apply()
        except SqlFailed as failed:
            yield f"{what} ({failed.message})"


def _apply(connection: Connection, server: Postgres, database: sql.Identifier, setting: Setting) -> None:
    if setting.name.lower() in PRELOADS:
        _load(server, setting)
    apply_setting(connection, database, setting)


def _load(server: Postgres, setting: Setting) -> None:
    """Load the libraries of a setting in a session that is closed again. Raises SqlFailed."""
    folder = PRELOADS[setting.name.lower()]
    with server.session("rehearse") as session:
        for library in filter(None, list_items(setting.value)):
            path = library if "/" in library else folder + library
            session.execute(sql.SQL("LOAD {}").format(sql.Literal(path)))


def _shown(setting: Setting) -> str:
    whose = f" of {setting.role}" if setting.role else ""
    return f"{setting.name} = {setting.value}{whose}"
