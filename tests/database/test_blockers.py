"""Whatever blocks a lock is named with what ends it: prepared transactions, autovacuum, replication, a dead standby."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import cartctl
from cartctl.adapters.postgres import Postgres, SqlFailed, sync_wait
from cartctl.adapters.postgres.blockers import (
    OURS,
    SHARE_ROW_EXCLUSIVE,
    database_users,
    lock_holders,
    open_transactions,
)
from cartctl.checks.preflight.blockers import check_blockers
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Refused, StepFailed
from cartctl.migrations.frozen import NAMES
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.restore.swap import refuse_connected, refuse_prepared
from cartctl.snapshots.storage.local import Store
from tests.database.conftest import Settings
from tests.database.test_drop import Deployed
from tests.database.test_faults import wait_until
from tests.database.test_migrate import run_sql
from tests.services import Server, debian_server, long


class Impatient(Pulse):
    """A pulse whose pauses take no time."""

    def pause(self, seconds: float) -> None:
        """Take no time."""


@pytest.fixture
def platform(pg15: Server) -> Iterator[Postgres]:
    """A platform's database on a server that takes prepared transactions."""
    database = pg15.create_platform()
    run_sql(database, "INSERT INTO companies (id, name) VALUES ('c', 'C')")
    yield database
    pg15.drop(database)


@contextmanager
def prepared(database: Postgres, statement: str, gid: str = "it's one") -> Iterator[None]:
    """A prepared transaction, rolled back afterwards."""
    quoted = gid.replace("'", "''")
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"BEGIN; {statement}; PREPARE TRANSACTION '{quoted}'".encode())
    try:
        yield
    finally:
        run_sql(database, f"ROLLBACK PREPARED '{quoted}'")


def test_a_prepared_transaction_is_named(platform: Postgres, settings: Settings, tmp_path: Path) -> None:
    """On a running server its gid, owner, age and both ways to end it are in every message: migrate, drop, preflight."""
    configured = settings(platform, lock_timeout="50ms")
    with prepared(platform, "UPDATE companies SET name = 'x'"):
        with pytest.raises(StepFailed) as failed:
            deploy(platform, configured, "run", Impatient())
        assert "prepared transaction 'it's one' (owner postgres, prepared" in failed.value.message
        assert "RowExclusiveLock on companies" in failed.value.message
        assert "ROLLBACK PREPARED 'it''s one' or COMMIT PREPARED 'it''s one'" in failed.value.hint
        look = check_blockers(platform, settings(platform, lock_timeout="0s"), Pulse())
        results = {check.name: check for check in look}["blockers.locks"]
        assert (results.verdict, "'it's one'" in results.observed, "ROLLBACK PREPARED" in results.hint) == (
            Verdict.FAIL,
            True,
            True,
        )
    done = Deployed(platform, configured, tmp_path / "run")
    with prepared(platform, "LOCK TABLE carts IN ROW SHARE MODE; SELECT txid_current()"):
        with pytest.raises(
            StepFailed, match=r"prepared transaction 'it's one'.* RowShareLock on carts"
        ) as failed:
            done.drop(Impatient())
        assert "COMMIT PREPARED" in failed.value.hint


@long
def test_a_prepared_transaction_is_named_after_a_restart() -> None:
    """A restart gives it another virtual id: its gid is found all the same."""
    with debian_server(max_prepared_transactions="5") as server:
        database = server.create_platform()
        with prepared(database, "UPDATE companies SET name = 'x'; SELECT txid_current()", "kept"):
            assert _holder(database).startswith("prepared transaction 'kept'")
            before = _checkpointer(database)
            os.kill(before, signal.SIGKILL)  # the server recovers as after a crash
            wait_until(lambda: _checkpointer(database) not in {0, before})
            assert _holder(database).startswith("prepared transaction 'kept'")


def _holder(database: Postgres) -> str:
    with database.session("tests") as connection:
        (result,) = lock_holders(connection, ["companies"], SHARE_ROW_EXCLUSIVE)
    return result.who


def _checkpointer(database: Postgres) -> int:
    """Its pid; 0 while the server does not respond."""
    try:
        rows = run_sql(database, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    except CartctlError:
        return 0
    return int(str(rows[0][0])) if rows else 0


@contextmanager
def nobody_confirms(server: Server, database: Postgres) -> Iterator[None]:
    """For a block, `synchronous_standby_names` names a standby that is dead."""
    name = server.name_of(database)
    server.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    server.execute("SELECT pg_reload_conf()")
    wait_until(lambda: run_sql(database, "SHOW synchronous_standby_names") == [("nobody",)])
    try:
        yield
    finally:
        server.execute("ALTER SYSTEM RESET synchronous_standby_names")
        server.execute("SELECT pg_reload_conf()")


def test_a_dead_synchronous_standby_delays_a_migration_and_no_more(
    pg15: Server, platform: Postgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is cancelled, each migration is committed exactly once, and the result says that no standby confirmed it."""
    monkeypatch.setattr(sync_wait, "LIMIT", 0.4)
    configured = settings(platform)
    with nobody_confirms(pg15, platform):
        began = time.monotonic()
        made = deploy(platform, configured, "run", Pulse())
        assert time.monotonic() - began < 60
    assert made.applied == NAMES
    assert [each.partition(":")[0] for each in made.warnings] == [f"migration {NAMES[0]}"]
    assert "in place only on the primary" in made.warnings[0]
    assert verify(platform, configured).verdict is Verdict.PASS
    assert run_sql(platform, "SELECT count(*) FROM cartctl.applied WHERE run = 'run'") == [(3,)]


def test_a_dead_synchronous_standby_delays_a_drop_and_no_more(
    pg15: Server, platform: Postgres, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are gone, and the result says that no standby confirmed it."""
    monkeypatch.setattr(sync_wait, "LIMIT", 0.4)
    done = Deployed(platform, settings(platform), tmp_path / "run")
    with nobody_confirms(pg15, platform):
        dropped = done.drop()
    assert len(dropped["tables"]) == 14
    assert "no synchronous standby confirmed" in dropped["warnings"][0]
    assert done.left() == []


def test_a_dead_synchronous_standby_delays_a_restore_and_no_more(
    pg15: Server, platform: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither pg_restore's commits nor those of the swap wait without end; the result says that no standby confirmed it."""
    monkeypatch.setattr(sync_wait, "LIMIT", 0.4)
    subject, store = Subject("test", platform, fingerprint_hash), Store(tmp_path)
    create(subject, store, "one", Pulse())
    pg15.execute("ALTER ROLE postgres SET synchronous_commit = on")
    try:
        with nobody_confirms(pg15, platform):
            began = time.monotonic()
            done = restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
            assert time.monotonic() - began < 60
        assert run_sql(platform, "SELECT count(*) FROM companies") == [(1,)]
        assert "in place only on the primary" in "".join(done.warnings)
        again = restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
        assert again.warnings == ()
    finally:
        pg15.execute("ALTER ROLE postgres RESET synchronous_commit")
    for kept in (done.kept_as, again.kept_as):
        pg15.drop(platform.database(str(kept)))


def test_a_connection_lost_while_a_standby_is_queried_is_a_warning(pg15: Server, platform: Postgres) -> None:
    """What was committed before is in place: an error of the confirmation must not report the restore as failed."""
    with platform.session("tests", synchronous_commit="local") as connection:
        pg15.execute(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        (warning,) = sync_wait.confirm_commits(lambda: platform.session("tests"), connection)
    assert "unknown whether a synchronous standby confirmed" in warning


def test_nothing_else_is_cancelled(platform: Postgres) -> None:
    """A statement that is only slow is left alone, however long it takes."""
    with (
        platform.session("tests") as connection,
        sync_wait.bounded_sync_wait(lambda: platform.session("look"), connection, 0.05) as wait,
    ):
        assert connection.execute("SELECT pg_sleep(0.5), 1").fetchone() == ("", 1)
    assert wait.warnings == ()


def test_the_servers_detail_is_kept(platform: Postgres) -> None:
    """An error's sentence names what the server's DETAIL names, on one line and not without end."""
    with pytest.raises(SqlFailed) as failed:
        run_sql(
            platform, "INSERT INTO sites (id, \"companyId\", name, domain) VALUES ('s', 'nobody', 'S', 'd')"
        )
    assert 'Key (companyId)=(nobody) is not present in table "companies"' in failed.value.message
    with pytest.raises(SqlFailed) as failed:
        run_sql(platform, f"INSERT INTO companies (id, name) VALUES ('{'x' * 2000}', NULL)")
    assert ("\n" in failed.value.message, len(failed.value.message) < 600) == (False, True)


def test_logical_replication_and_prepared_transactions_keep_a_database(
    pg15: Server, platform: Postgres
) -> None:
    """Before a rename, a logical walsender is named as one, and so is a prepared transaction."""
    run_sql(platform, "SELECT pg_create_logical_replication_slot('reading', 'test_decoding')")
    program = [str(pg15.bin / "pg_recvlogical"), "-d", platform.dsn, "-S", "reading", "--start", "-f", "-"]
    reading = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    name = pg15.name_of(platform)
    try:
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'reading'"
        wait_until(lambda: run_sql(platform, active) == [(True,)])
        with (
            prepared(platform, "UPDATE companies SET name = 'x'"),
            Postgres(pg15.dsn).session("tests") as server,
        ):
            messages = [str(each) for each in database_users(server, name)]
    finally:
        reading.terminate()
        reading.wait()
    wait_until(lambda: run_sql(platform, active) == [(False,)])
    run_sql(platform, "SELECT pg_drop_replication_slot('reading')")
    assert any("walsender" in each and "application pg_recvlogical" in each for each in messages)
    assert any(each.startswith("prepared transaction 'it's one'") for each in messages)


def test_a_concurrent_build_waits_for_prepared_transactions_too(platform: Postgres) -> None:
    """They are among the transactions of a database that are still open."""
    with prepared(platform, "UPDATE companies SET name = 'x'"), platform.session("tests") as connection:
        assert any("'it's one'" in each.who for each in open_transactions(connection, idle=False))


@long
def test_a_vacuum_against_wraparound_is_named(pg15: Server, platform: Postgres) -> None:
    """An autovacuum that no lock makes give way is named as what it is, with what stops it."""
    run_sql(
        platform,
        "INSERT INTO companies (id, name) SELECT 'v' || n, repeat('x', 500) FROM generate_series(1, 20000) AS n",
        "ALTER TABLE companies SET (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)",
        "CREATE TABLE burnt (n int)",
        "DO $$ BEGIN FOR n IN 1..110000 LOOP BEGIN INSERT INTO burnt VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
    )
    pg15.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    pg15.execute("SELECT pg_reload_conf()")
    try:
        with platform.session("tests") as connection:
            wait_until(lambda: bool(lock_holders(connection, ["companies"], SHARE_ROW_EXCLUSIVE)))
            (result,) = lock_holders(connection, ["companies"], SHARE_ROW_EXCLUSIVE)
            assert "autovacuum worker to prevent wraparound" in result.who
            assert ("pg_stat_progress_vacuum" in result.ending, result.gives_way) == (True, False)
    finally:
        pg15.execute("ALTER SYSTEM RESET autovacuum_naptime")
        pg15.execute("SELECT pg_reload_conf()")
        run_sql(
            platform,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'",
        )


def test_a_restore_names_logical_replication_and_prepared_transactions(
    pg15: Server, platform: Postgres
) -> None:
    """Before the swap, a walsender is among those who are connected, and a prepared transaction stops it with its ending."""
    name = pg15.name_of(platform)
    with prepared(platform, "UPDATE companies SET name = 'x'"), Postgres(pg15.dsn).session("tests") as server:
        with pytest.raises(Refused, match="'it's one'") as refused:
            refuse_prepared(server, name)
        assert "ROLLBACK PREPARED 'it''s one'" in refused.value.hint
    run_sql(platform, "SELECT pg_create_logical_replication_slot('swapped', 'test_decoding')")
    program = [str(pg15.bin / "pg_recvlogical"), "-d", platform.dsn, "-S", "swapped", "--start", "-f", "-"]
    reading = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    active = "SELECT active FROM pg_replication_slots WHERE slot_name = 'swapped'"
    try:
        wait_until(lambda: run_sql(platform, active) == [(True,)])
        with Postgres(pg15.dsn).session("tests") as server, pytest.raises(Refused, match="walsender"):
            refuse_connected(server, name, disconnect=False)
    finally:
        reading.terminate()
        reading.wait()
    wait_until(lambda: run_sql(platform, active) == [(False,)])
    run_sql(platform, "SELECT pg_drop_replication_slot('swapped')")


def test_our_own_sessions_are_known_by_names_that_are_used() -> None:
    """A renamed session would be named as the blocker of its own transaction."""
    package = Path(cartctl.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    for name in OURS:
        purpose = name.removeprefix("cartctl ")
        assert any(f'session("{purpose}"' in source or f'"{purpose}",' in source for source in sources), name
