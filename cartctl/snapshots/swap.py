"""A database in the place of another: what surrounds it carried over, connections closed off, both renamed in one transaction.

Everything here runs on a connection to the maintenance database, since neither of the two may have one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, SqlFailed, sql, translated
from cartctl.derived_names import derive_name
from cartctl.engine.pulse import Pulse
from cartctl.errors import Locked, Refused

KEY = (0x63617274, 0x72657374)  # "cart", "rest"
LEAVING = 10.0  # seconds for ended connections to be gone


@dataclass(frozen=True, slots=True)
class Around:
    """What belongs to a database by its name and is in no dump."""

    owner: str
    encoding: str
    collation: str
    character_type: str
    icu_locale: str | None
    limit: int
    comment: str | None
    grants: (
        tuple[tuple[str, str], ...] | None
    )  # grantee (empty: everybody) and privilege; None: the server's default
    settings: tuple[tuple[str | None, str, str], ...]  # role (None: all), name, value


@contextmanager
def holding(connection: Connection, name: str) -> Iterator[None]:
    """One restore at a time on a server, whatever happens to the databases' names. Raises Locked."""
    if connection.execute("SELECT pg_try_advisory_lock(%s, %s)", KEY).fetchone() != (True,):
        raise Locked(f"Another restore is at work on the server of {name}.", hint="Wait for it to end.")
    yield


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a database of this name. Read-only."""
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def free_name(connection: Connection, base: str, suffix: str) -> str:
    """A name for a database beside `base` that no database of the server has. Read-only."""
    return derive_name(base, suffix, taken=lambda name: exists(connection, name))


def unfinished(connection: Connection, live: str) -> list[str]:
    """Databases that a killed restore of `live` has left. Read-only."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = %s AND datname <> %s",
        (_mark_of(live), live),
    ).fetchall()
    return [str(row[0]) for row in rows]


def mark_unfinished(connection: Connection, name: str, live: str) -> None:
    """Say on a new database that it is an unfinished restore of `live`, until its comment is carried over."""
    _comment(connection, name, _mark_of(live))


def _mark_of(live: str) -> str:
    return f"cartctl: unfinished restore of {live}"


def read_around(connection: Connection, name: str) -> Around:
    """What surrounds a database that is there. Read-only."""
    row = connection.execute(
        """SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
                  CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i'
                      THEN coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') END,
                  datconnlimit, shobj_description(oid, 'pg_database'), datacl IS NOT NULL, oid
           FROM pg_database d WHERE datname = %s""",
        (name,),
    ).fetchone()
    if row is None:
        raise Refused(f"There is no database {name}.", hint="cartctl config show")
    owner, encoding, collation, ctype, icu, limit, comment, limited, oid = row
    grants = connection.execute(
        """SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type
           FROM pg_database, aclexplode(datacl) WHERE oid = %s""",
        (oid,),
    ).fetchall()
    settings = connection.execute(
        """SELECT CASE setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(setrole) END, split_part(one, '=', 1),
                  substr(one, strpos(one, '=') + 1)
           FROM pg_db_role_setting, unnest(setconfig) AS one WHERE setdatabase = %s""",
        (oid,),
    ).fetchall()
    return Around(
        owner=owner,
        encoding=encoding,
        collation=collation,
        character_type=ctype,
        icu_locale=icu,
        limit=limit,
        comment=comment,
        grants=tuple((str(who), str(what)) for who, what in grants) if limited else None,
        settings=tuple(settings),
    )


def create(connection: Connection, name: str, around: Around) -> None:
    """An empty database with the same encoding, locale and owner."""
    icu = sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(around.icu_locale))
    with effect("postgres.restore.create"):
        connection.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {} OWNER {}"
            ).format(
                sql.Identifier(name),
                sql.Literal(around.encoding),
                sql.Literal(around.collation),
                sql.Literal(around.character_type),
                sql.Identifier(around.owner),
            )
            + (icu if around.icu_locale else sql.SQL(""))
        )


def carry_over(connection: Connection, name: str, around: Around) -> None:
    """Grants, settings, limit and comment onto the database `name`."""
    database = sql.Identifier(name)
    connection.execute(
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, sql.Literal(around.limit))
    )
    if around.grants is not None:
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        for grantee, privilege in around.grants:
            who = sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC")
            what = sql.SQL("GRANT {} ON DATABASE {} TO {}")
            connection.execute(what.format(sql.SQL(_known(privilege)), database, who))
    for role, setting, value in around.settings:
        _set(connection, database, role, setting, value)


def try_carry_over(connection: Connection, name: str, around: Around) -> None:
    """Carry over and take it back again: what a role may not do is found before the rows are restored.

    Raises Refused with the server's sentence.
    """
    try:
        with translated(), connection.transaction(force_rollback=True):
            carry_over(connection, name, around)
    except SqlFailed as denied:
        raise Refused(
            f"What surrounds the live database cannot be given to another one: {denied.message}.",
            hint="Restore as a superuser, or RESET that setting first: \\drds and \\l in psql show them.",
        ) from denied


def other_owners(connection: Connection, name: str) -> list[str]:
    """Roles that own something in a database beside its owner and ourselves. Read-only."""
    rows = connection.execute(
        """SELECT DISTINCT pg_get_userbyid(refobjid) FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
           WHERE d.datname = %s AND refclassid = 'pg_authid'::regclass AND deptype = 'o' AND refobjid <> d.datdba
             AND pg_get_userbyid(refobjid) <> current_user ORDER BY 1""",
        (name,),
    ).fetchall()
    return [str(row[0]) for row in rows]


def own(connection: Connection, name: str, around: Around) -> None:
    """The owner of what surrounds a database, and all of that, onto the database `name`."""
    connection.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(around.owner))
    )
    carry_over(connection, name, around)
    _comment(connection, name, around.comment)


def _known(privilege: str) -> str:
    """The server's own word for a privilege, which is no identifier and cannot be quoted."""
    return {"CREATE": "CREATE", "CONNECT": "CONNECT", "TEMPORARY": "TEMPORARY"}[privilege]


def _set(
    connection: Connection, database: sql.Identifier, role: str | None, setting: str, value: str
) -> None:
    """FROM CURRENT keeps lists lists: a literal would make one name of `a, b`."""
    whose = (
        sql.SQL("ALTER DATABASE {}").format(database)
        if role is None
        else sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(role), database)
    )
    with connection.transaction():
        connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
        connection.execute(whose + sql.SQL(" SET {} FROM CURRENT").format(sql.Identifier(setting)))


def connected(connection: Connection, name: str) -> list[str]:
    """Who is connected to a database, one line each; cartctl's own sessions are left out. Read-only."""
    rows = connection.execute(
        """SELECT format('pid %%s (user %%s, application %%s, %%s)', pid, usename,
                         coalesce(nullif(application_name, ''), 'unnamed'), state)
           FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'
             AND application_name NOT LIKE 'cartctl %%' ORDER BY pid""",
        (name,),
    ).fetchall()
    return [str(row[0]) for row in rows]


def refuse_connected(connection: Connection, live: str, *, disconnect: bool) -> None:
    """Raise Refused naming everybody who is connected, unless they may be ended."""
    if not disconnect and (others := connected(connection, live)):
        raise Refused(
            f"Others are connected to {live}: {'; '.join(others)}.",
            hint="Stop them, or say --disconnect to have them ended at the swap.",
        )


def _comment(connection: Connection, name: str, comment: str | None) -> None:
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(comment))
    )


def swap(
    connection: Connection,
    live: str,
    new: str,
    aside: str,
    pulse: Pulse,
    *,
    disconnect: bool,
    comment: str | None,
) -> None:
    """Close `live` off, end its connections, and rename both in one transaction; opened again when that fails.

    `comment` is the live database's own; until now the new one's said that it was unfinished.

    Raises Refused for connections of others unless they may be ended (`disconnect`).
    """
    there = exists(connection, live)
    if there:
        _allow(connection, live, allowed=False)
    try:
        if there:
            refuse_connected(connection, live, disconnect=disconnect)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (live,)
            )
            pulse.wait(lambda: _left(connection, live), LEAVING, what="ending the database's connections")
        with effect("postgres.restore.swap"), connection.transaction():
            if there:
                _rename(connection, live, aside)
            _comment(connection, new, comment)
            _rename(connection, new, live)
    except BaseException:
        if there:
            _allow(connection, live, allowed=True)
        raise
    if there:
        _allow(connection, aside, allowed=True)


def _left(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (name,)).fetchone()
    return row == (0,)


def _allow(connection: Connection, name: str, *, allowed: bool) -> None:
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))


def _rename(connection: Connection, name: str, to: str) -> None:
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))
    )
