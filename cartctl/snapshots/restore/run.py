"""`snapshot restore`: restore into a new database, verify it, and only then swap it with the live one, which is retained."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, sql, translated
from cartctl.adapters.postgres.sync_wait import confirm_commits
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.engine.model import Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, Refused, StepFailed
from cartctl.snapshots.create import Subject, jobs_for
from cartctl.snapshots.data_loss.assessment import Loss
from cartctl.snapshots.data_loss.database_state import JOURNAL_SCHEMA
from cartctl.snapshots.manifest.database_properties import DatabaseProperties, read_properties
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.restore import swap
from cartctl.snapshots.restore.comparison import compare, fill, rows_not_dumped
from cartctl.snapshots.restore.plan import FinalLossCheck, maintenance, refuse_lacking, refuse_unfit
from cartctl.snapshots.restore.transfer import carry_over, create_database, try_carry_over
from cartctl.snapshots.storage.entries import OpenDump
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.storage.work_directories import AGAIN, DiskFull, is_full, using


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored database, and the name under which the previous one is kept."""

    kind: ClassVar[str] = "restored"

    snapshot: str
    database: str
    kept_as: str | None
    rows: int
    heads: tuple[str, ...]
    seconds: float
    loss: Loss = field(default_factory=Loss)  # what the previous database had beyond the snapshot
    warnings: tuple[str, ...] = ()


def restore(
    subject: Subject, store: Store, snapshot: str, pulse: Pulse, *, disconnect: bool, accepted: Loss | None
) -> Restored:
    """Restore and swap. If anything fails before the swap, the live database is unchanged and the new one is removed.

    Raises Refused for a loss other than the `accepted` one (None: any), also when it is measured again with everybody
    disconnected; for connections of others without `disconnect`, for a server that is older, and for missing rights;
    CheckFailed when what was restored is not what the manifest says.
    """
    began = time.monotonic()
    manifest, live = store.get(snapshot), subject.database.name
    manifest.refuse_other(subject.env, live)
    with maintenance(subject.database) as connection, swap.holding(connection, live):
        superuser = refuse_unfit(connection, manifest, live, disconnect=disconnect)
        there = swap.exists(connection, live)
        around = read_properties(connection, live) if there else manifest.around
        refuse_lacking(connection, manifest, around)
        final_check = FinalLossCheck(subject.database, manifest, accepted, pulse) if there else None
        if final_check:
            final_check.refuse()
        new = swap.free_name(connection, live, "restoring")
        with _new_database(connection, new, live, around) as created, store.opened(snapshot) as dump:
            try_carry_over(connection, new, around)
            target = subject.database.database(new)
            _fill(target, dump, manifest, pulse, as_role=None if superuser else around.owner)
            _require(target, subject, manifest, pulse, superuser=superuser)
            not_dumped = _not_dumped(target, manifest, accepted) if there else ()
            if there:
                _carry_journal(subject.database, target, pulse)
            carry_over(connection, new, around)  # last: its settings would hold for the sessions that restore
            aside = _aside(connection, live)
            swap.swap(
                connection,
                swap.Names(live, new, aside),
                pulse,
                disconnect=disconnect,
                around=around,
                final_check=final_check,
                reconnect=partial(maintenance, subject.database),
            )
            created.append(live)
    with maintenance(subject.database) as connection:  # the previous one may have been lost
        warnings = not_dumped + confirm_commits(partial(maintenance, subject.database), connection)
    rows = sum(table.rows for table in manifest.tables)
    seconds = round(time.monotonic() - began, 3)
    loss = final_check.loss if final_check else Loss()
    retained_as = aside if there else None
    return Restored(snapshot, live, retained_as, rows, manifest.heads, seconds, loss, warnings)


@contextmanager
def _new_database(
    connection: Connection, name: str, live: str, around: DatabaseProperties
) -> Iterator[list[str]]:
    """An empty database that is dropped at the block's end, unless the list then contains its new name."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    for left in swap.unfinished(connection, live):  # by a restore that was killed
        connection.execute(statement.format(sql.Identifier(left)))
    create_database(connection, name, around)
    swap.mark_unfinished(connection, name, live)
    swapped: list[str] = []
    try:
        yield swapped
    except BaseException:
        if not swapped and not connection.closed:
            with (
                suppress(SqlFailed),
                translated(),
            ):  # a full disk may prevent this; then the next restore drops it, by its mark
                connection.execute(statement.format(sql.Identifier(name)))
        raise


def _fill(target: Postgres, dump: OpenDump, manifest: Manifest, pulse: Pulse, *, as_role: str | None) -> None:
    jobs = jobs_for(manifest.bytes * 4, 8)
    try:
        fill(target, dump, pulse, jobs=jobs, as_role=as_role)
    except StepFailed as failed:
        if not is_full(failed.message):
            raise
        raise DiskFull(
            "no space left on the server's disk; the live database is unchanged; the unfinished copy is removed now or by the next restore",
            hint=f"Free some space there, then: cartctl snapshot restore {manifest.id}",
        ) from failed


def _require(
    target: Postgres, subject: Subject, manifest: Manifest, pulse: Pulse, *, superuser: bool
) -> None:
    """Compare rows and structure with the manifest; without the structure if owners could not be preserved."""
    with (
        target.session("restore", statement_timeout="0") as connection,
        pulse.cancelling(connection.cancel_safe),
    ):
        checks = Checks.of(compare(connection, manifest, subject.fingerprint, same_roles=True))
    for check in checks.bad():
        if check.name == "structure" and (check.verdict is Verdict.UNKNOWN or not superuser):
            continue
        raise CheckFailed(
            f"The restored data differs from the snapshot: {check.name}: {check.observed}, expected {check.expected}.",
            hint="The live database is unchanged. Use another snapshot: cartctl snapshot list",
        )


def _not_dumped(target: Postgres, manifest: Manifest, accepted: Loss | None) -> tuple[str, ...]:
    """Rows of extensions' tables that the dump lacks. Raises Refused if there are any, unless every loss is accepted."""
    with target.session("restore") as connection:
        lines = tuple(rows_not_dumped(connection, manifest))
    if lines and accepted is not None:
        raise Refused(
            f"rows of extensions' tables are not in the dump and would be lost: {'; '.join(lines)}",
            hint="Accept this with --allow-data-loss: the live database is kept under another name.",
        )
    return lines


def _carry_journal(live: Postgres, target: Postgres, pulse: Pulse) -> None:
    """Keep the current journal, which stays valid whatever state the rows return to."""
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
    """The name for the retained live database; unique for two restores within one second."""
    return swap.free_name(connection, live, f"before_{datetime.now(UTC):%Y%m%d%H%M%S}")
