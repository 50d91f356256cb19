"""`snapshot restore --plan`: what a restore would lose and whether it would be refused; the same checks run before the swap."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import ClassVar

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, ConfigError, Refused
from cartctl.snapshots.create import Subject
from cartctl.snapshots.data_loss.assessment import Loss, measure_loss
from cartctl.snapshots.manifest.database_properties import DatabaseProperties, read_properties
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.restore import swap
from cartctl.snapshots.restore.transfer import lacking
from cartctl.snapshots.storage.local import Store

MAINTENANCE = ("postgres", "template1")


class Consent(Enum):
    """Which loss a person accepts: none, what was shown before the name was typed, or any (--allow-data-loss)."""

    NONE = "none"
    SHOWN = "shown"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore would lose: by table the rows then and now where they differ, the minutes since, and the open connections.

    `loss` is all of it; `notes` says what will differ from the original; `refused` why the run would be refused.
    """

    kind: ClassVar[str] = "restore_plan"

    snapshot: str
    database: str
    taken_at: datetime
    minutes: int
    changed: Mapping[str, tuple[int, int]]
    connections: tuple[str, ...]
    loss: Loss = field(default_factory=Loss)
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    hint: str = ""  # what to do about the first refusal

    @property
    def lost(self) -> int:
        """Rows that exist now in addition to those of the snapshot."""
        return sum(max(0, now - then) for then, now in self.changed.values())

    def refuse(self) -> None:
        """Raise Refused where the run would be."""
        if self.refused:
            raise Refused("; ".join(self.refused), hint=self.hint)


def plan_restore(
    subject: Subject, store: Store, snapshot: str, pulse: Pulse, *, disconnect: bool, consent: Consent
) -> RestorePlan:
    """What would be lost, and what would stop the run with these options. Every table is read once. Read-only."""
    manifest, name = store.get(snapshot), subject.database.name
    manifest.refuse_other(subject.env, name)
    with maintenance(subject.database) as connection:
        there = swap.exists(connection, name)
        others = tuple(swap.connected(connection, name)) if there else ()
        around = read_properties(connection, name) if there else manifest.around
        loss = measure(subject.database, manifest, pulse) if there else Loss()
        checks = (
            lambda: loss.refuse(accepted_by(consent, loss)),
            lambda: refuse_unfit(connection, manifest, name, disconnect=disconnect),
            lambda: refuse_lacking(connection, manifest, around),
        )
        refused = [error for check in checks if (error := _refusal(check))]
        notes = tuple(_notes(connection, manifest, around, name))
    return RestorePlan(
        snapshot=snapshot,
        database=name,
        taken_at=manifest.created_at,
        minutes=int((datetime.now(UTC) - manifest.created_at).total_seconds() // 60),
        changed={
            each.table: (each.then or 0, each.now or 0) for each in loss.tables if each.then != each.now
        },
        connections=others,
        loss=loss,
        notes=notes,
        refused=tuple(error.message for error in refused),
        hint=refused[0].hint if refused else "",
    )


def accepted_by(consent: Consent, loss: Loss) -> Loss | None:
    """The loss that a consent accepts; None: any. What cannot be determined is accepted by `ANY` alone. Pure."""
    if consent is Consent.ANY:
        return None
    return loss if consent is Consent.SHOWN and not loss.unknown else Loss()


class FinalLossCheck:
    """The loss measured before the restore and again, on a connection from before, when nobody else is connected."""

    def __init__(self, database: Postgres, manifest: Manifest, accepted: Loss | None, pulse: Pulse) -> None:
        self.database = database
        self.loss = Loss()
        self._manifest = manifest
        self._accepted = accepted
        self._pulse = pulse

    def refuse(self) -> None:
        """Measure on a separate connection. Raises Refused for a loss other than the accepted one."""
        self.loss = measure(self.database, self._manifest, self._pulse)
        self.loss.refuse(self._accepted)

    @contextmanager
    def waiting(self) -> Iterator[Connection]:
        """The connection for `refuse_now`."""
        with _reading(self.database) as connection:
            yield connection

    def refuse_now(self, connection: Connection) -> None:
        """Measure on that connection. Raises Refused for a loss other than the accepted one."""
        self.loss = _measure_on(connection, self._manifest, self._pulse)
        self.loss.refuse(self._accepted)


@contextmanager
def maintenance(database: Postgres) -> Iterator[Connection]:
    """A connection to the server's maintenance database.

    Its commits do not wait for a synchronous standby: `confirm_commits` waits once, when clients are no longer locked out.
    """
    beside = next(name for name in MAINTENANCE if name != database.name)
    with database.database(beside).session(
        "restore", lock_timeout="5s", synchronous_commit="local"
    ) as connection:
        yield connection


def measure(database: Postgres, manifest: Manifest, pulse: Pulse) -> Loss:
    """What a restore of the manifest's snapshot over `database` would lose. Read-only."""
    with _reading(database) as connection:
        return _measure_on(connection, manifest, pulse)


@contextmanager
def _reading(database: Postgres) -> Iterator[Connection]:
    with database.session("restore guard", lock_timeout="30s") as connection:
        yield connection


def _measure_on(connection: Connection, manifest: Manifest, pulse: Pulse) -> Loss:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return measure_loss(connection, manifest, pulse)


def _refusal(check: Callable[[], object]) -> CartctlError | None:
    try:
        check()
    except (Refused, ConfigError) as refused:
        return refused
    return None


def refuse_unfit(connection: Connection, manifest: Manifest, live: str, *, disconnect: bool) -> bool:
    """Whether the role is a superuser, which may keep every recorded owner. Read-only.

    Raises Refused, or ConfigError without the tools, for whatever would stop the restore.
    """
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
            f"{user} may not replace the database {live}.",
            hint=f"ALTER ROLE {user} CREATEDB, and make it a member of the role that owns {live}.",
        )
    if not superuser and (others := swap.other_owners(connection, live)):
        raise Refused(
            f"Not everything in {live} belongs to its owner ({', '.join(others)} own some of it), and {user} cannot preserve that.",
            hint="Restore as a superuser, or first transfer those objects to the database's owner.",
        )
    swap.refuse_prepared(connection, live)
    swap.refuse_connected(connection, live, disconnect=disconnect)
    return bool(superuser)


def refuse_lacking(connection: Connection, manifest: Manifest, around: DatabaseProperties) -> None:
    """Raise Refused, naming what the database needs and this server lacks."""
    missing = [*lacking(connection, around, manifest.tablespaces), *_missing_extensions(connection, manifest)]
    if missing:
        raise Refused(
            f"this server lacks what {manifest.server.database} needs: {', '.join(missing)}",
            hint="Create it first, or restore on a server that has it.",
        )


def _available(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, default_version FROM pg_available_extensions").fetchall()
    return {str(name): str(version) for name, version in rows}


def _missing_extensions(connection: Connection, manifest: Manifest) -> Iterator[str]:
    known = _available(connection)
    for name in manifest.state.extensions if manifest.state else ():
        if name not in known:
            yield f"the extension {name}"


def _notes(
    connection: Connection, manifest: Manifest, around: DatabaseProperties, name: str
) -> Iterator[str]:
    """What neither a dump nor cartctl copies."""
    state = manifest.state
    known = _available(connection)
    for extension, version in sorted(state.extensions.items() if state else ()):
        if known.get(extension, version) != version:
            yield f"extension {extension} {version} becomes {known[extension]}"
    for table in state.others if state else ():
        if table.rows and table.schema_name != "pg_catalog":  # large objects are in every dump
            yield (
                f"table {table.full_name} belongs to an extension ({table.rows} rows); the run is refused before the swap "
                "if neither the dump nor the extension restores them"
            )
    for each in sorted(state.objects if state else ()):
        if each.startswith("subscription "):
            yield f"{each} is restored disabled"
    slots = connection.execute(
        "SELECT slot_name FROM pg_replication_slots WHERE database = %s ORDER BY 1", (name,)
    ).fetchall()
    for (slot,) in slots:
        yield f"replication slot {slot} stays with the previous database"
    recorded = manifest.around
    if manifest.surroundings and recorded.collation_version != around.collation_version:
        yield f"collation version {recorded.collation_version} becomes {around.collation_version}"
    if manifest.surroundings and (recorded.settings, recorded.grants) != (around.settings, around.grants):
        yield "settings and grants of the database stay as they are now, not as in the snapshot"
