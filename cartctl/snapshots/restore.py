"""`snapshot restore`: a snapshot into a new database, proved, and only then put in the place of the live one, which is kept."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from cartctl.adapters.pg_tools import find_tools
from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.engine.model import Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, Refused, StepFailed
from cartctl.snapshots import swap
from cartctl.snapshots.carrying_over import carry_over, create_database, lacking, try_carry_over
from cartctl.snapshots.create import Subject, jobs_for
from cartctl.snapshots.entries import OpenDump
from cartctl.snapshots.manifest import Manifest
from cartctl.snapshots.places import AGAIN, DiskFull, is_full, using
from cartctl.snapshots.restored import compare, fill
from cartctl.snapshots.source import JOURNAL_SCHEMA
from cartctl.snapshots.store import Store
from cartctl.snapshots.surroundings import Surroundings, read_surroundings

MAINTENANCE = ("postgres", "template1")


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore would lose: rows then and now by table where they differ, minutes since, and who is connected."""

    kind: ClassVar[str] = "restore_plan"

    snapshot: str
    database: str
    taken_at: datetime
    minutes: int
    changed: Mapping[str, tuple[int, int]]
    connections: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Rows that are there now beyond those of the snapshot."""
        return sum(max(0, now - then) for then, now in self.changed.values())

    def refuse_loss(self, *, allowed: bool) -> None:
        """Raise Refused, naming what would be lost, unless that is allowed."""
        if self.changed and not allowed:
            told = ", ".join(f"{name} {then} → {now}" for name, (then, now) in self.changed.items())
            raise Refused(
                f"Rows have changed in the {self.minutes} minutes since the snapshot: {told}.",
                hint="Say --allow-data-loss: the live database is kept aside under another name.",
            )


@dataclass(frozen=True, slots=True)
class Restored:
    """What is live now and under which name the former database is kept."""

    kind: ClassVar[str] = "restored"

    snapshot: str
    database: str
    kept_as: str | None
    rows: int
    heads: tuple[str, ...]
    seconds: float


def plan_restore(subject: Subject, store: Store, snapshot: str) -> RestorePlan:
    """What would be lost. Read-only; every table is counted."""
    manifest, name = store.get(snapshot), subject.database.name
    manifest.refuse_other(subject.env, name)
    with maintenance(subject.database) as connection:
        there = swap.exists(connection, name)
        others = tuple(swap.connected(connection, name)) if there else ()
    return RestorePlan(
        snapshot=snapshot,
        database=name,
        taken_at=manifest.created_at,
        minutes=int((datetime.now(UTC) - manifest.created_at).total_seconds() // 60),
        changed=dict(_changed(subject.database, manifest)) if there else {},
        connections=others,
    )


def restore(subject: Subject, store: Store, snapshot: str, pulse: Pulse, *, disconnect: bool) -> Restored:
    """Restore and swap. Whatever fails before the swap leaves the live database as it is, and nothing of the new one.

    Raises Refused for connections of others without `disconnect`, for a server that is older, and for missing rights;
    CheckFailed when what was restored is not what the manifest says.
    """
    began = time.monotonic()
    manifest, live = store.get(snapshot), subject.database.name
    manifest.refuse_other(subject.env, live)
    with maintenance(subject.database) as connection, swap.holding(connection, live):
        superuser = _refuse_unfit(connection, manifest, live, disconnect=disconnect)
        around = read_surroundings(connection, live) if swap.exists(connection, live) else manifest.around
        refuse_lacking(connection, manifest, around)
        new = swap.free_name(connection, live, "restoring")
        with _new_database(connection, new, live, around) as made, store.opened(snapshot) as dump:
            try_carry_over(connection, new, around)
            target = subject.database.database(new)
            _fill(target, dump, manifest, pulse, as_role=None if superuser else around.owner)
            _require(target, subject, manifest, pulse, superuser=superuser)
            if there := swap.exists(connection, live):
                _carry_journal(subject.database, target, pulse)
            carry_over(connection, new, around)  # last: its settings would hold for the sessions that restore
            aside = _aside(connection, live)
            swap.swap(connection, live, new, aside, pulse, disconnect=disconnect, around=around)
            made.append(live)
    rows = sum(table.rows for table in manifest.tables)
    seconds = round(time.monotonic() - began, 3)
    return Restored(snapshot, live, aside if there else None, rows, manifest.heads, seconds)


@contextmanager
def maintenance(database: Postgres) -> Iterator[Connection]:
    """A connection beside the database: to the server's maintenance database."""
    beside = next(name for name in MAINTENANCE if name != database.name)
    with database.database(beside).session(
        "restore", lock_timeout="5s", idle_session_timeout="0"
    ) as connection:
        yield connection


def _changed(database: Postgres, manifest: Manifest) -> Iterator[tuple[str, tuple[int, int]]]:
    with database.session("restore plan") as connection:
        for table in manifest.tables:
            name = sql.Identifier(table.schema_name, table.name)
            there = connection.execute(
                "SELECT to_regclass(%s)::text", (name.as_string(connection),)
            ).fetchone()
            row = None
            if there != (None,):
                row = connection.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(name)).fetchone()
            now = int(row[0]) if row else 0
            if now != table.rows:
                yield f"{table.schema_name}.{table.name}", (table.rows, now)


def _refuse_unfit(connection: Connection, manifest: Manifest, live: str, *, disconnect: bool) -> bool:
    """Whether the role is a superuser, which may keep every recorded owner."""
    if connection.info.server_version // 10000 < manifest.server.version_num // 10000:
        raise Refused(
            f"The snapshot was taken on PostgreSQL {manifest.server.version}, which is newer than this server.",
            hint="Restore it on a server of that version or a newer one.",
        )
    find_tools(connection.info.server_version)
    row = connection.execute(
        """SELECT rolsuper, rolcreatedb OR rolsuper, current_user, coalesce(
               (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = %s), true)
           FROM pg_roles WHERE rolname = current_user""",
        (live,),
    ).fetchone()
    superuser, creates, user, owns = row or (False, False, "?", False)
    if not (creates and owns):
        raise Refused(
            f"{user} may not put another database in the place of {live}.",
            hint=f"ALTER ROLE {user} CREATEDB, and make it a member of the role that owns {live}.",
        )
    if not superuser and (others := swap.other_owners(connection, live)):
        raise Refused(
            f"Not everything in {live} belongs to its owner ({', '.join(others)} own some of it), and {user} could not keep that.",
            hint="Restore as a superuser, or give those objects to the database's owner first.",
        )
    swap.refuse_connected(connection, live, disconnect=disconnect)
    return bool(superuser)


def refuse_lacking(connection: Connection, manifest: Manifest, around: Surroundings) -> None:
    """Raise Refused, naming what this server has not of what the database needs."""
    if missing := list(lacking(connection, around, manifest.tablespaces)):
        raise Refused(
            f"this server lacks what {manifest.server.database} needs: {', '.join(missing)}",
            hint="Create it first, or restore on a server that has it.",
        )


@contextmanager
def _new_database(connection: Connection, name: str, live: str, around: Surroundings) -> Iterator[list[str]]:
    """An empty database that is dropped at the block's end unless a name was put in the list: then it lives under that."""
    gone = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    for left in swap.unfinished(connection, live):  # by a restore that was killed
        connection.execute(gone.format(sql.Identifier(left)))
    create_database(connection, name, around)
    swap.mark_unfinished(connection, name, live)
    kept: list[str] = []
    try:
        yield kept
    finally:
        if not kept:
            connection.execute(gone.format(sql.Identifier(name)))


def _fill(target: Postgres, dump: OpenDump, manifest: Manifest, pulse: Pulse, *, as_role: str | None) -> None:
    jobs = jobs_for(manifest.bytes * 4, 8)
    try:
        fill(target, dump, pulse, jobs=jobs, as_role=as_role)
    except StepFailed as failed:
        if not is_full(failed.message):
            raise
        raise DiskFull(
            "no space left on the server's disk; the live database is unchanged, the new one was removed",
            hint=f"Free some space there, then: cartctl snapshot restore {manifest.id}",
        ) from failed


def _require(
    target: Postgres, subject: Subject, manifest: Manifest, pulse: Pulse, *, superuser: bool
) -> None:
    """Rows and structure as recorded; where owners could not be kept the structure is not compared."""
    with (
        target.session("restore", statement_timeout="0") as connection,
        pulse.cancelling(connection.cancel_safe),
    ):
        checks = Checks.of(compare(connection, manifest, subject.fingerprint, same_roles=True))
    for check in checks.bad():
        if check.name == "structure" and (check.verdict is Verdict.UNKNOWN or not superuser):
            continue
        raise CheckFailed(
            f"What was restored is not what was dumped: {check.name}: {check.observed}, expected {check.expected}.",
            hint="The live database is as it was. Use another snapshot: cartctl snapshot list",
        )


def _carry_journal(live: Postgres, target: Postgres, pulse: Pulse) -> None:
    """What cartctl has journalled stays true whatever the shop's rows go back to."""
    with live.session("restore") as connection:
        row = connection.execute("SELECT to_regnamespace(%s)::text", (JOURNAL_SCHEMA,)).fetchone()
        tools = find_tools(connection.info.server_version)
    if row == (None,):
        return
    with tempfile.TemporaryDirectory(prefix="cartctl-journal-") as place:
        dump = Path(place) / "dump"
        with using(Path(place), AGAIN):
            tools.dump(live, dump, schemas=(JOURNAL_SCHEMA,))
        pulse.check()
        tools.restore(target, dump)


def _aside(connection: Connection, live: str) -> str:
    """What the live database is called from now on; two restores within one second do not meet."""
    return swap.free_name(connection, live, f"before_{datetime.now(UTC):%Y%m%d%H%M%S}")
