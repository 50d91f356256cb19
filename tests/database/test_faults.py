"""What befalls a migration: connections ended at any moment, two at once, sessions that hold what it needs, a real pooler."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.checks.preflight.database import check_database
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.guards import PRISMA_KEY
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Refused, StepFailed
from cartctl.migrations.frozen import NAMES
from tests.database.conftest import Settings
from tests.database.test_command import Cartctl
from tests.database.test_migrate import holding, run_sql
from tests.services import Server, _directory, _unprivileged, require

END_OURS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'cartctl migrate' AND pid <> pg_backend_pid()"""


IN_THE_MIDDLE = {  # what each migration makes half-way
    NAMES[0]: "wishlists",
    NAMES[1]: "idx_carts_expiration",
    NAMES[2]: "tax_rates",
}
END_IN_THE_MIDDLE = """CREATE FUNCTION ending() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.{}')
  THEN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'cartctl {}'; END IF; END $$;
CREATE EVENT TRIGGER ending ON ddl_command_end EXECUTE FUNCTION ending()"""


@pytest.mark.parametrize("moment", ("before", "after"))
@pytest.mark.parametrize("name", NAMES)
def test_an_ended_connection_leaves_whole_migrations(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    moment: str,
) -> None:
    """Ended right before or after a migration's commit, every migration is whole or not there; the next deployment goes on."""

    def end(effect: str, when: str) -> None:
        if (effect, when) == (f"postgres.migrate.{name}", moment):
            run_sql(platform_database, END_OURS)

    configured = settings(platform_database)
    with monkeypatch.context() as patch, suppress(CartctlError):
        patch.setattr(effects, "probe", end)
        deploy(platform_database, configured, "run-1", pulse)
    done = NAMES.index(name) + (moment == "after")
    assert status(platform_database, configured).applied[:done] == NAMES[:done]
    deploy(platform_database, configured, "run-2", pulse)
    assert verify(platform_database, configured).verdict is Verdict.PASS


@pytest.mark.parametrize("whose", ("migrate", "migration lock"))
@pytest.mark.parametrize("name", NAMES)
def test_ended_in_the_middle_of_a_migration(
    platform_database: Postgres, settings: Settings, pulse: Pulse, name: str, whose: str
) -> None:
    """Ended between two statements of a migration nothing of it stays, those before it do; the next deployment goes on.

    So it is when the connection that holds the migrators' lock is ended: another tool may have begun.
    """
    configured = settings(platform_database)
    run_sql(platform_database, END_IN_THE_MIDDLE.format(IN_THE_MIDDLE[name], whose))
    with pytest.raises(SqlFailed, match="terminating connection") as ended:
        deploy(platform_database, configured, "run-1", pulse)
    assert "\n" not in ended.value.message
    run_sql(platform_database, "DROP EVENT TRIGGER ending", "DROP FUNCTION ending")
    assert status(platform_database, configured).applied == NAMES[: NAMES.index(name)]
    deploy(platform_database, configured, "run-2", pulse)
    assert verify(platform_database, configured).verdict is Verdict.PASS


def test_ended_in_the_middle_of_a_wait(platform_database: Postgres, settings: Settings, pulse: Pulse) -> None:
    """Ended while it waits for a lock, nothing of the migration is there and the error is a sentence."""
    configured = settings(platform_database, lock_timeout="30s")
    timer = threading.Timer(1.0, lambda: run_sql(platform_database, END_OURS))
    with holding(platform_database, "LOCK TABLE companies IN ROW EXCLUSIVE MODE"):
        timer.start()
        with pytest.raises(CartctlError) as ended:
            deploy(platform_database, configured, "run-1", pulse)
    timer.join()
    assert "\n" not in ended.value.message
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]
    deploy(platform_database, configured, "run-2", pulse)


def test_two_at_once_make_it_once(platform_database: Postgres, settings: Settings) -> None:
    """One applies everything, the other waits and finds nothing left to do."""
    configured = settings(platform_database)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda run: deploy(platform_database, configured, run, Pulse()), ("a", "b")))
    assert sorted(len(made.applied) for made in both) == [0, 3]
    assert verify(platform_database, configured).verdict is Verdict.PASS


WAITERS = (
    f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {PRISMA_KEY} AND NOT granted"
)


def test_a_waiter_on_prismas_lock_comes_next(
    platform_database: Postgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another migrator that waits for the lock while ours runs holds nothing up, and finds everything applied when it gets it."""
    configured = settings(platform_database)

    def wait_in_line() -> tuple[str, ...]:
        with platform_database.session("prisma", lock_timeout="30s") as other:
            other.execute("SELECT pg_advisory_lock(%s)", (PRISMA_KEY,))
            return status(platform_database, configured).applied

    with ThreadPoolExecutor(1) as pool:

        def begin(effect: str, moment: str) -> None:
            if (effect, moment) == (f"postgres.migrate.{NAMES[0]}", "before"):
                results.append(pool.submit(wait_in_line))
                wait_until(lambda: run_sql(platform_database, WAITERS) == [(1,)])

        results: list[Future[tuple[str, ...]]] = []
        monkeypatch.setattr(effects, "probe", begin)
        assert deploy(platform_database, configured, "run", Pulse()).applied == NAMES
        assert results[0].result(timeout=120) == NAMES


def test_we_come_next_after_another_migrator(platform_database: Postgres, settings: Settings) -> None:
    """While another tool holds the lock we wait without a place in its queue, change nothing, and go on when it is free."""
    configured = settings(platform_database)
    looking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cartctl migration lock' AND query LIKE '%try_advisory%'"
    with ThreadPoolExecutor(1) as pool, platform_database.session("prisma") as other:
        other.execute("SELECT pg_advisory_lock(%s)", (PRISMA_KEY,))
        ours = pool.submit(deploy, platform_database, configured, "run", Pulse())
        wait_until(lambda: run_sql(platform_database, looking) == [(1,)])
        assert run_sql(platform_database, WAITERS) == [(0,)]
        assert status(platform_database, configured).applied == ()
        other.execute("SELECT pg_advisory_unlock(%s)", (PRISMA_KEY,))
        assert ours.result(timeout=60).applied == NAMES


def wait_until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 30
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("statement", "expected"),
    (
        (
            "INSERT INTO customers (id, \"companyId\", email, \"firstName\", \"lastName\") VALUES ('1', 'c', 'e', 'f', 'l')",
            "RowExclusiveLock on customers",
        ),
        ("UPDATE companies SET name = 'x'", "idle in transaction"),
    ),
)
def test_whoever_holds_it_up_is_named(
    platform_database: Postgres, settings: Settings, statement: str, expected: str
) -> None:
    """A writer and a forgotten transaction are named with what they hold and what they do."""
    run_sql(platform_database, "INSERT INTO companies (id, name) VALUES ('c', 'C')")

    class Impatient(Pulse):
        def pause(self, seconds: float) -> None:
            """Take no time."""

    with holding(platform_database, statement), pytest.raises(StepFailed, match="4 times") as failed:
        deploy(platform_database, settings(platform_database, lock_timeout="50ms"), "run", Impatient())
    assert expected in failed.value.message


def test_a_long_reader_stops_nothing(platform_database: Postgres, settings: Settings, pulse: Pulse) -> None:
    """A report that reads `companies` for hours does not stand in the way of foreign keys."""
    with holding(platform_database, "SELECT * FROM companies"):
        assert deploy(platform_database, settings(platform_database), "run", pulse).applied == NAMES


@contextmanager
def pgbouncer(target: Postgres, mode: str) -> Iterator[Postgres]:
    """A real pooler in front of a database."""
    program, parts = require("pgbouncer", "/usr/sbin"), conninfo_to_dict(target.dsn)
    with _directory() as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        config = home / "pgbouncer.ini"
        config.write_text(
            f"[databases]\nshop = host={parts['host']} port={parts.get('port', 5432)} dbname={parts['dbname']} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = {port}\nunix_socket_dir = {home}\nauth_type = any\npool_mode = {mode}\n"
            "min_pool_size = 0\nignore_startup_parameters = extra_float_digits\n"
        )
        user = _unprivileged(home)
        running = subprocess.Popen(
            [program, "-q", config], user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
        )
        pooled = Postgres(f"host={home} port={port} user=postgres dbname=shop")
        try:
            wait_for(pooled)
            yield pooled
        finally:
            running.terminate()
            running.wait()


def wait_for(database: Postgres) -> None:
    """Wait until it takes connections."""
    for _ in range(100):
        with suppress(psycopg.OperationalError), psycopg.connect(database.dsn) as connection:
            connection.execute("SELECT 1")
            return
        time.sleep(0.1)
    pytest.fail("the pooler does not respond")


@pytest.mark.parametrize("mode", ("transaction", "session"))
def test_a_pooler_is_refused(pg15: Server, settings: Settings, tmp_path: Path, mode: str) -> None:
    """Whatever its mode, no command uses it: nothing is changed in the database, nor in the sessions of others behind it."""
    database = pg15.create_platform()
    with pgbouncer(database, mode) as pooled:
        cartctl = Cartctl(tmp_path, pooled)
        for line in ("migrate status", "migrate deploy", "rehearse", "snapshot create"):
            refused = cartctl(*line.split())
            assert (refused.returncode, refused.stdout) == (3, ""), line
            assert "connection pooler" in refused.stderr
        results = {check.name: check.verdict for check in check_database(pooled, settings(pooled))}
        assert results == {"database.pooler": Verdict.FAIL}
        with pytest.raises(Refused):
            pooled.connect("tests", lock_timeout="7s")
        with psycopg.connect(pooled.dsn) as other:
            assert other.execute("SHOW lock_timeout").fetchone() == ("0",)
    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'cartctl%'"
    assert run_sql(database, schemas) == [(0,)]
    pg15.drop(database)
