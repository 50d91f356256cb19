"""A scratch copy of the target: its schema, or a snapshot, on another server."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, NamedServer, Postgres, sql
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.engine.pulse import Pulse
from cartctl.errors import Inconclusive
from cartctl.ports import Ports
from cartctl.snapshots.data_loss.database_state import JOURNAL_SCHEMA
from cartctl.snapshots.manifest.database_properties import read_properties
from cartctl.snapshots.restore import swap
from cartctl.snapshots.restore.comparison import fill
from cartctl.snapshots.restore.scratch_transfer import own_scratch
from cartctl.snapshots.restore.transfer import create_scratch_database
from cartctl.snapshots.storage.destination import open_store
from cartctl.snapshots.storage.entries import OpenDump

RECORDS = ("public._prisma_migrations", "cartctl.*")  # tables that record applied migrations
_ROLES = """
SELECT rolname, rolsuper, rolinherit, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles
WHERE rolname !~ '^pg_' ORDER BY 1
"""
_MEMBERS = """
SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members
WHERE pg_get_userbyid(member) !~ '^pg_' ORDER BY 1, 2
"""
_ATTRIBUTES = ("SUPERUSER", "INHERIT", "CREATEDB", "CREATEROLE", "BYPASSRLS")


@dataclass(frozen=True, slots=True)
class ScratchCopy:
    """The copy, and the target's settings and labels that its server could not take."""

    database: Postgres
    lacking: tuple[str, ...]


@contextmanager
def scratch_copy(
    ports: Ports, pulse: Pulse, *, server: str | None, with_data: str | None
) -> Iterator[ScratchCopy]:
    """A copy of the target on the server of a DSN, or on one of our own with the target's roles, for the block.

    Raises Inconclusive for roles, extensions and collations that the server lacks.
    """
    with ExitStack() as stack, ports.database.session("rehearse") as target:
        major = target.info.server_version // 10000
        there = NamedServer(server) if server else stack.enter_context(scratch_server(major))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cartctl-copy-")))
        admin = stack.enter_context(there.session("rehearse", synchronous_commit="local"))
        if server is None:
            _copy_roles(target, admin)
        else:
            _require_roles(target, admin)
        name = swap.free_name(admin, "cartctl_rehearsal", secrets.token_hex(4))
        live, user = target.execute("SELECT current_database(), session_user").fetchone() or ("", "")
        around = read_properties(target, str(live))
        with effect("postgres.rehearse"):
            create_scratch_database(admin, name, around)
        stack.callback(_drop, admin, name)
        copy = there.database(name)
        if with_data:
            dump = stack.enter_context(open_store(ports.env).opened(with_data))
            fill(copy, dump, pulse, jobs=2, tablespaces=False)
        else:
            for part in _schema(ports.database, target, place, pulse):
                fill(copy, part, pulse, jobs=1, tablespaces=False)
        lacking = own_scratch(admin, there, name, around)
        yield ScratchCopy(copy if server else copy.as_user(str(user)), lacking)


def _schema(database: Postgres, target: Connection, place: Path, pulse: Pulse) -> Iterator[OpenDump]:
    """The schema, then the rows that record applied migrations."""
    tools = find_tools(target.info.server_version)
    tools.dump(database, place / "schema", exclude_schemas=(JOURNAL_SCHEMA,), structure_only=True)
    yield OpenDump(place / "schema", {})
    pulse.check()
    known = target.execute(
        """SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r' AND (n.nspname = 'cartctl' OR (n.nspname, c.relname) = ('public', '_prisma_migrations'))"""
    ).fetchone()
    if known:
        tools.dump(database, place / "records", tables=RECORDS, rows_only=True)
        yield OpenDump(place / "records", {})


def _copy_roles(target: Connection, admin: Connection) -> None:
    """The same roles with the same attributes and memberships, without passwords: the rehearsal covers rights."""
    there = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    for name, *flags in target.execute(_ROLES).fetchall():
        if name not in there:
            granted = [word for word, on in zip(_ATTRIBUTES, flags, strict=True) if on]
            without = [] if "INHERIT" in granted else ["NOINHERIT"]
            attributes = sql.SQL(" ").join(_word(word) for word in ("LOGIN", *granted, *without))
            admin.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), attributes))
    for role, member in target.execute(_MEMBERS).fetchall():
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member)))


def _word(word: str) -> sql.SQL:
    """A keyword of the fixed list, as SQL."""
    return {each: sql.SQL(each) for each in ("LOGIN", "NOINHERIT", *_ATTRIBUTES)}[word]


def _require_roles(target: Connection, admin: Connection) -> None:
    there = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
    required = {row[0] for row in target.execute(_ROLES).fetchall()}
    if missing := sorted(required - there):
        raise Inconclusive(
            f"The server to rehearse on lacks roles of the target: {', '.join(missing)}.",
            hint="Create them there, or omit --server: cartctl creates them on its own temporary server.",
        )


def _drop(admin: Connection, name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
