"""Creates a snapshot: dumped from one exported snapshot of the database, checksummed, recorded, and only then visible."""

import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres_server.pg_tools import PgTools, find_tools
from cartctl.adapters.programs import Attend, Program, ProgramFailed
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.snapshots.data_loss.database_state import JOURNAL_SCHEMA
from cartctl.snapshots.manifest.manifest import DamagedSnapshot, File, Manifest, write_manifest
from cartctl.snapshots.source import Facts, Fingerprint, database_size, dump_size, exported, read_facts
from cartctl.snapshots.storage.encryption import checksums, seal
from cartctl.snapshots.storage.local import DUMP, Store
from cartctl.snapshots.storage.marks import sync

LIMIT = timedelta(hours=6)  # of one dump; larger databases need a physical backup
CAUSE = 10.0  # seconds to wait for the cause of a failed dump
EVERY = 0.05  # seconds between two checks of the dump's size
PER_JOB = 256 * 1024 * 1024  # bytes of database that make another worker worth its connection
MOST_JOBS = 8


@dataclass(frozen=True, slots=True)
class Subject:
    """What is dumped. `fingerprint` gives the catalogue's hash on a connection."""

    env: str
    database: Postgres
    fingerprint: Fingerprint


def new_id() -> str:
    """The ID of a snapshot that does not belong to a run: its time and four letters."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def create(subject: Subject, store: Store, snapshot: str, pulse: Pulse) -> Manifest:
    """Create the snapshot, or return the one that an earlier attempt created.

    Progress is in bytes written, of the database's size. Raises Refused if disk space is insufficient, ConfigError
    without the right tools, ProgramFailed or SqlFailed when the dump fails, and the pulse's alarm. Leaves nothing then.
    """
    if existing := _made(store, snapshot):
        return existing
    started = time.monotonic()
    with exported(subject.database) as (connection, name):
        tools = find_tools(connection.info.server_version)
        size = database_size(connection)
        with pulse.cancelling(
            connection.cancel_safe
        ):  # reading a table's size waits for the holder of its lock
            _require_room(store, dump_size(connection))
        with store.making(snapshot) as partial:
            dump = partial / DUMP
            with _reading(connection, subject.fingerprint, pulse) as facts_later:
                tools.dump(
                    subject.database,
                    dump,
                    jobs=jobs_for(size, os.cpu_count() or 1),
                    exclude_schemas=(JOURNAL_SCHEMA,),
                    snapshot=name,
                    attend=_attended(dump, size, pulse, facts_later),
                )
                facts = facts_later.result()
            plain = seal(dump, tools, store.cipher, pulse) if store.cipher else {}
            manifest = _manifest(
                subject.env, snapshot, facts, tools, _seal(dump, pulse), time.monotonic() - started
            ).model_copy(update={"encryption": store.cipher.name if store.cipher else None, "plain": plain})
            sync(write_manifest(partial, manifest))
            sync(partial)
            pulse.check()
    return manifest


def jobs_for(size: int, cores: int) -> int:
    """How many workers a database of `size` bytes is worth."""
    return max(1, min(cores, MOST_JOBS, 1 + size // PER_JOB))


@contextmanager
def _reading(connection: Connection, fingerprint: Fingerprint, pulse: Pulse) -> Iterator["Future[Facts]"]:
    """What SQL can read, while the dump is written from the same exported snapshot; cancelled if the block fails."""
    with ThreadPoolExecutor(1, thread_name_prefix="facts") as pool:
        facts = pool.submit(read_facts, connection, fingerprint, pulse)
        try:
            yield facts
        except ProgramFailed:
            wait([facts], CAUSE)  # the server's own error message is clearer than the tool's
            if facts.done():
                facts.result()
            connection.cancel_safe()
            raise
        except BaseException:
            connection.cancel_safe()
            raise


def _made(store: Store, snapshot: str) -> Manifest | None:
    """A damaged one with the same ID is ignored and created again."""
    try:
        return store.find(snapshot)
    except DamagedSnapshot:
        return None


def _require_room(store: Store, size: int) -> None:
    place, free = store.room()
    if free < size:
        raise Refused(
            f"Not enough disk space for a snapshot: it takes up to {_megabytes(size)}, {place} has {_megabytes(free)} free.",
            hint="Free disk space there, or set database.snapshots.url to a larger disk.",
        )


def _attended(dump: Path, size: int, pulse: Pulse, facts: "Future[Facts]") -> Attend:
    def attend(program: Program) -> None:
        def finished() -> bool:
            pulse.progress(_size(dump), size, "bytes")
            if facts.done():
                facts.result()  # the snapshot is impossible without them: the dump can be stopped
            return program.finished()

        pulse.wait(finished, LIMIT.total_seconds(), what="pg_dump", every=EVERY)

    return attend


def _size(directory: Path) -> int:
    """Bytes written so far; files come and go while they are counted."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(directory))
    except FileNotFoundError:
        return 0


def _seal(dump: Path, pulse: Pulse) -> dict[str, File]:
    """Sync the dump to disk and compute its checksums."""
    paths = sorted(path for path in dump.iterdir() if path.is_file())
    files = {}
    for name, digest in checksums(paths):
        pulse.check()
        path = dump / name
        sync(path)
        files[name] = File(bytes=path.stat().st_size, sha256=digest)
    sync(dump)
    return files


def _manifest(
    env: str, snapshot: str, facts: Facts, tools: PgTools, files: dict[str, File], seconds: float
) -> Manifest:
    return Manifest(
        id=snapshot,
        env=env,
        created_at=facts.target.at,
        seconds=round(seconds, 3),
        server=facts.server,
        tool=f"pg_dump {tools.version}",
        heads=facts.heads,
        ledger_rows=facts.ledger_rows,
        fingerprint=facts.fingerprint,
        target=facts.target,
        tables=facts.tables,
        files=files,
        roles=facts.roles,
        surroundings=facts.surroundings,
        tablespaces=facts.tablespaces,
        state=facts.state,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
