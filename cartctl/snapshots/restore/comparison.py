"""Restores a snapshot into a new database and compares it with the manifest."""

import re
from collections.abc import Iterator
from datetime import timedelta

from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.programs import ProgramFailed
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Inconclusive
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.source import Fingerprint
from cartctl.snapshots.storage.entries import OpenDump

LIMIT = timedelta(hours=12)
NOT_HERE = re.compile(  # an extension or a collation that this server does not have
    r"extension .* is not available|could not access file|collation .* does not exist"
)
SHOWN = 5


def fill(
    database: Postgres,
    dump: OpenDump,
    pulse: Pulse,
    *,
    jobs: int,
    as_role: str | None = None,
    without_roles: bool = False,
    tablespaces: bool = True,
) -> None:
    """Restore a dump into an empty database and gather its statistics.

    Without `tablespaces` every object goes to the database's own. Raises Inconclusive if the server lacks one of its
    extensions, ProgramFailed for a dump that cannot be restored.
    """
    with database.session("restore") as connection:
        tools = find_tools(connection.info.server_version)
    try:
        tools.restore(
            database,
            dump.path,
            jobs=jobs,
            as_role=as_role,
            without_roles=without_roles,
            tablespaces=tablespaces,
            attend=pulse.attending(LIMIT.total_seconds()),
        )
    except ProgramFailed as failed:
        if NOT_HERE.search(failed.message):
            raise Inconclusive(
                f"This server lacks something that the snapshot needs: {failed.message}",
                hint="Use a server that has it: --server DSN",
            ) from failed
        raise
    with (
        database.session("restore", synchronous_commit="local") as connection,
        pulse.cancelling(connection.cancel_safe),
    ):
        connection.execute("ANALYZE")


def compare(
    connection: Connection, manifest: Manifest, fingerprint: Fingerprint, *, same_roles: bool
) -> Iterator[CheckResult]:
    """Rows of every table, migration heads, and the structure's fingerprint. Read-only."""
    yield _rows(connection, manifest)
    yield _structure(connection, manifest, fingerprint(connection), same_roles=same_roles)


def _rows(connection: Connection, manifest: Manifest) -> CheckResult:
    wrong = []
    for table in manifest.tables:
        name = sql.Identifier(table.schema_name, table.name)
        row = connection.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(name)).fetchone()
        if row != (table.rows,):
            wrong.append(f"{table.schema_name}.{table.name} has {row and row[0]} instead of {table.rows}")
    total = f"{sum(table.rows for table in manifest.tables)} rows in {len(manifest.tables)} tables"
    if wrong:
        return CheckResult("rows", Verdict.FAIL, "; ".join(wrong[:SHOWN]), total, "Take a new snapshot.")
    return CheckResult("rows", Verdict.PASS, total)


def rows_not_dumped(connection: Connection, manifest: Manifest) -> Iterator[str]:
    """Tables of extensions, and large objects, with fewer rows than the manifest says: a dump does not contain them. Read-only."""
    for table in manifest.state.others if manifest.state else ():
        name = sql.Identifier(table.schema_name, table.name)
        there = connection.execute("SELECT to_regclass(%s)::text", (name.as_string(connection),)).fetchone()
        if there == (None,):
            rows = 0
        else:
            row = connection.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(name)).fetchone()
            rows = int(row[0]) if row else 0
        if rows < table.rows:
            yield f"{table.full_name} {table.rows} → {rows} rows"


def _structure(connection: Connection, manifest: Manifest, actual: str, *, same_roles: bool) -> CheckResult:
    expected = manifest.fingerprint
    if actual == expected:
        return CheckResult("structure", Verdict.PASS, "as recorded")
    ours, theirs = connection.info.server_version // 10000, manifest.server.version_num // 10000
    if not same_roles:
        hint = f"Create these roles there, or omit --server: {', '.join(manifest.roles)}"
        return CheckResult(
            "structure", Verdict.UNKNOWN, "roles of the snapshot do not exist on this server", expected, hint
        )
    if ours != theirs:
        message = f"restored on PostgreSQL {ours}, taken on {theirs}: their catalogues describe some objects differently"
        return CheckResult(
            "structure", Verdict.UNKNOWN, message, expected, "Use a server of that version: --server DSN"
        )
    return CheckResult("structure", Verdict.FAIL, actual, expected, "Take a new snapshot.")
