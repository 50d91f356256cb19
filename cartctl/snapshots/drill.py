"""`snapshot verify --drill`: prove that a snapshot can be restored by restoring it elsewhere."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, sql, translated
from cartctl.adapters.programs import ProgramFailed
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Inconclusive
from cartctl.snapshots.create import jobs_for
from cartctl.snapshots.manifest.manifest import DamagedSnapshot, Manifest
from cartctl.snapshots.restore import swap
from cartctl.snapshots.restore.comparison import compare, fill
from cartctl.snapshots.restore.transfer import create_scratch_database
from cartctl.snapshots.source import Fingerprint
from cartctl.snapshots.storage.local import Store

NAME = "restores"


class NoScratchDatabase(Inconclusive):
    """A server on which a database like the snapshot's cannot be created."""


def drill(
    store: Store, snapshot: str, server: Postgres, fingerprint: Fingerprint, pulse: Pulse, *, ours: bool
) -> Checks:
    """Restore into a scratch database of `server` and compare; the database is always dropped afterwards.

    `ours` says that this is a scratch server, on which the snapshot's roles may be created. What the server does not support is
    unknown, never a pass.
    """
    manifest = store.get(snapshot)
    with server.session("drill", synchronous_commit="local") as connection:
        if connection.info.server_version // 10000 < manifest.server.version_num // 10000:
            observed = f"this server is older: {connection.info.server_version // 10000}"
            return Checks((CheckResult(NAME, Verdict.UNKNOWN, observed, manifest.server.version),))
        same_roles = _roles(connection, manifest, ours=ours)
        try:
            with _scratch_database(connection, server, manifest) as database:
                return Checks.of(
                    _restored(store, manifest, database, fingerprint, pulse, same_roles=same_roles)
                )
        except NoScratchDatabase as failed:
            return Checks((CheckResult(NAME, Verdict.UNKNOWN, failed.message, "restored", failed.hint),))


def _restored(
    store: Store,
    manifest: Manifest,
    database: Postgres,
    fingerprint: Fingerprint,
    pulse: Pulse,
    *,
    same_roles: bool,
) -> Iterator[CheckResult]:
    try:
        with store.opened(manifest.id) as dump:
            fill(
                database,
                dump,
                pulse,
                jobs=jobs_for(manifest.bytes * 4, 4),
                without_roles=not same_roles,
                tablespaces=False,
            )
    except (Inconclusive, ConfigError) as unknown:
        yield CheckResult(NAME, Verdict.UNKNOWN, unknown.message, "restored", unknown.hint)
        return
    except (ProgramFailed, DamagedSnapshot) as failed:
        pulse.check()
        yield CheckResult(
            NAME, Verdict.FAIL, failed.message, "restored without an error", "Take a new snapshot."
        )
        return
    with (
        database.session("drill", statement_timeout="0") as connection,
        pulse.cancelling(connection.cancel_safe),
    ):
        yield CheckResult(NAME, Verdict.PASS, f"on PostgreSQL {connection.info.server_version // 10000}")
        yield from compare(connection, manifest, fingerprint, same_roles=same_roles)


def _roles(connection: Connection, manifest: Manifest, *, ours: bool) -> bool:
    """Whether every role of the snapshot exists on this server; on a scratch server they are created."""
    there = {str(row[0]) for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
    missing = [role for role in manifest.roles if role not in there]
    if ours:
        for role in [role for role in missing if not role.startswith("pg_")]:  # reserved: of a newer server
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    return bool(manifest.roles) and (ours or not missing)


@contextmanager
def _scratch_database(connection: Connection, server: Postgres, manifest: Manifest) -> Iterator[Postgres]:
    name = swap.free_name(connection, "cartctl_drill", secrets.token_hex(4))
    with effect("postgres.drill"):
        try:
            with translated():
                create_scratch_database(connection, name, manifest.around)
        except SqlFailed as failed:
            raise NoScratchDatabase(
                f"no scratch database could be created: {failed.message}", hint=failed.hint
            ) from failed
    try:
        yield server.database(name)
    finally:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
