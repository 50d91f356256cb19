"""A rehearsal finds on a copy what would stop the real thing, touches nothing, and says when it could not try."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.checks.preflight.migrations import Pending
from cartctl.checks.preflight.rehearsal import check_rehearsal
from cartctl.config.model.environment import Environment
from cartctl.engine.model import Restore, Run, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from cartctl.plans.database.rehearse import rehearse, rehearsed
from cartctl.plans.execution.phases import Phase
from cartctl.plans.execution.prediction import NO_DATA, predict_deployment
from cartctl.plans.execution.step_factories import migrate
from cartctl.ports import Ports
from cartctl.steps.database.migrate import Migrate
from tests.database.conftest import application_files
from tests.database.test_command import Cartctl
from tests.database.test_migrate import LEDGER, ledger_row, run_sql
from tests.services import Server

PASSED = (
    *("copy", "migrate and verify", "roll back", "catalogue as before", "migrate and verify again"),
    *("duration", "locks", "irreversible"),
)
Environments = Callable[..., Environment]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environments:
    """Makes an environment around a database; keyword arguments are keys of its database section."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))

    def make(database: Postgres, **given: object) -> Environment:
        return Environment.model_validate(
            {
                "name": "test",
                "database": {"dsn": database.dsn, **given},
                "cluster": {"kind": "kubernetes"},
                "http": {"api": "http://127.0.0.1:1"},
            }
        )

    return make


@pytest.fixture(scope="module")
def scratch() -> Iterator[str]:
    """The DSN of a server to rehearse on, shared."""
    with scratch_server(18) as result:
        yield result.dsn


def verdicts(env: Environment, server: str | None) -> dict[str, Verdict]:
    """What a rehearsal finds."""
    with Ports(env) as ports:
        checks = rehearse(ports, Pulse(), server=server, with_data=None)
    return {check.name: check.verdict for check in checks.checks}


def test_a_good_target_passes_and_is_remembered(
    platform_database: Postgres, environment: Environments, scratch: str, tmp_path: Path
) -> None:
    """Every stage passes, the target has only a journal more, and the preflight finds the rehearsal until something changes."""
    run_sql(
        platform_database,
        LEDGER,
        ledger_row("20250101000000_orders"),
        "CREATE VIEW v AS SELECT * FROM companies",
    )
    files = application_files(tmp_path / "files")
    env = environment(platform_database, migrations={"prisma_dir": str(files)})
    assert verdicts(env, scratch) == dict.fromkeys((*PASSED[:2], "ledger", *PASSED[2:]), Verdict.PASS)
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]
    with Ports(env) as ports:
        assert rehearsed(ports)
        run_sql(platform_database, "ALTER TABLE companies ADD note text")
        assert not rehearsed(ports)


def test_the_next_deployment_is_predicted_from_it(
    platform_database: Postgres, environment: Environments, scratch: str
) -> None:
    """The migration's time and locks, as long as the same migrations are pending; nothing of the other steps."""
    with Ports(environment(platform_database)) as ports:
        phases = (Phase("Migration", "", (migrate(ports),)), Phase("End", "", (Restore("b", of="a"),)))
        rehearse(ports, Pulse(), server=scratch, with_data=None)
        expected = predict_deployment(ports, phases, timedelta())
        migration, end = expected.phases
        assert migration.seconds is not None
        assert migration.source.startswith("rehearsal of ")
        assert (end.seconds, end.source) == (None, NO_DATA)
        assert "public.sites" in {lock.table for lock in expected.locks}
        assert expected.locks_source == migration.source
        Migrate(platform_database, ports.env.database).perform(
            Run("20261101-020000-abcd", "test", datetime.now(UTC), ports.directory, "running", {}), Pulse()
        )
        assert predict_deployment(ports, phases, timedelta()).phases[0].seconds is None


def test_what_would_stop_the_migration_is_found(
    platform_database: Postgres, environment: Environments, scratch: str
) -> None:
    """An object of another shape fails the rehearsal with the name the real migration would give it."""
    run_sql(platform_database, "CREATE TABLE carts (id integer)")
    result = verdicts(environment(platform_database), scratch)
    assert result == {"copy": Verdict.PASS, "migrate and verify": Verdict.FAIL}


def test_what_would_stop_the_way_back_is_found(
    platform_database: Postgres, environment: Environments, scratch: str
) -> None:
    """A trigger that gives every new table a dependent stops the rollback, and the rehearsal says so."""
    run_sql(
        platform_database,
        """CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             IF to_regclass('public.carts') IS NOT NULL AND to_regclass('public.seen') IS NULL THEN
               CREATE VIEW public.seen AS SELECT id FROM public.carts; END IF; END $$""",
        "CREATE EVENT TRIGGER watching ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION watch()",
    )
    result = verdicts(environment(platform_database), scratch)
    assert (result["migrate and verify"], result["roll back"]) == (Verdict.PASS, Verdict.FAIL)


def test_roles_come_along_and_rights_are_rehearsed(pg15: Server, environment: Environments) -> None:
    """On a server of its own the deployer is the target's: what it may not do there it may not do here."""
    database = pg15.create_platform()
    pg15.execute("CREATE ROLE r_owner NOLOGIN")
    pg15.execute("CREATE ROLE r_deployer LOGIN")
    pg15.execute("GRANT r_owner, pg_read_all_data TO r_deployer")
    pg15.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO r_owner, r_deployer')
    env = environment(pg15.database(database.name, user="r_deployer"), owner_role="r_owner")
    refused = verdicts(env, None)
    run_sql(
        database,
        "GRANT CREATE, USAGE ON SCHEMA public TO r_owner",
        "GRANT REFERENCES ON companies, sites, customers, products TO r_owner",
    )
    passed = verdicts(env, None)
    pg15.drop(database)
    pg15.execute("DROP ROLE r_deployer, r_owner")
    assert refused["migrate and verify"] is Verdict.FAIL
    assert passed == dict.fromkeys(PASSED, Verdict.PASS)


@pytest.mark.parametrize(
    ("statement", "expected"),
    (
        ("CREATE EXTENSION pgcrypto", 'extension "pgcrypto" is not available'),
        ('ALTER TABLE companies ADD note text COLLATE "de-x-icu"', 'collation "pg_catalog.de-x-icu"'),
        ("CREATE ROLE r_only_there", "lacks roles of the target: r_only_there"),
    ),
)
def test_what_the_scratch_server_lacks_is_inconclusive(
    pg15: Server, tmp_path: Path, scratch: str, statement: str, expected: str
) -> None:
    """An extension, a collation or a role that is missing there: exit code 6 and its name, never a pass."""
    database = pg15.create_platform()
    run_sql(database, statement)
    tried = Cartctl(tmp_path, database)("rehearse", "--server", scratch, "-o", "json")
    pg15.drop(database)
    pg15.execute("DROP ROLE IF EXISTS r_only_there")
    checks = json.loads(tried.stdout)
    assert (tried.returncode, checks["verdict"], tried.stderr) == (6, "unknown", "")
    (copy,) = checks["checks"]
    assert expected in copy["observed"]
    assert copy["hint"]


def test_a_library_that_is_missing_there_is_reported(
    pg15: Server, environment: Environments, scratch: str
) -> None:
    """A preload library of the target that the other server lacks keeps no session of the copy from starting."""
    database = pg15.create_platform()
    name = pg15.name_of(database)
    for setting in ("local_preload_libraries = nothing_like_it", "work_mem = '7MB'"):
        pg15.execute(f'ALTER DATABASE "{name}" SET {setting}')
    database = Postgres(make_conninfo(database.dsn, options="-c local_preload_libraries="))
    try:
        with Ports(environment(database)) as ports:
            checks = rehearse(ports, Pulse(), server=scratch, with_data=None)
    finally:
        pg15.drop(database)
    assert {check.name: check.verdict for check in checks.checks} == dict.fromkeys(PASSED, Verdict.PASS)
    result = str(checks.checks[0].observed)
    assert "not carried over: local_preload_libraries = nothing_like_it (could not access file" in result
    assert "work_mem" not in result


def test_a_named_server_takes_nothing_from_the_surroundings(
    platform_database: Postgres, environment: Environments
) -> None:
    """A DSN for --server that leaves its host to libpq is refused before anything is tried."""
    with (
        Ports(environment(platform_database)) as ports,
        pytest.raises(ConfigError, match="lacks: host"),
    ):
        rehearse(ports, Pulse(), server="dbname=postgres user=postgres", with_data=None)


def test_nothing_pending_is_nothing_rehearsed(migrated: Postgres, environment: Environments) -> None:
    """A rehearsal of nothing proves nothing."""
    assert verdicts(environment(migrated), None) == {"pending": Verdict.UNKNOWN}


def test_only_a_protected_environment_insists(platform_database: Postgres, environment: Environments) -> None:
    """The preflight fails without a rehearsal where the environment is protected and something is pending."""
    env = environment(platform_database).model_copy(update={"protected": True})
    waiting, done = Pending(NAMES, (), NAMES), Pending(NAMES, NAMES, ())
    cases = (
        (env, waiting, False, Verdict.FAIL),
        (env, waiting, True, Verdict.PASS),
        (env, done, False, Verdict.PASS),
    )
    for protected, pending, was, verdict in cases:
        (result,) = check_rehearsal(protected, lambda pending=pending: pending, lambda was=was: was)  # type: ignore[misc]
        assert result.verdict is verdict


def test_the_command_answers(tmp_path: Path, platform_database: Postgres, scratch: str) -> None:
    """`cartctl rehearse` writes its checks as JSON and ends with their exit code; with a snapshot it begins from that."""
    cartctl = Cartctl(tmp_path, platform_database)
    assert cartctl("snapshot", "create").returncode == 0
    (snapshot,) = cartctl.json("snapshot", "list")["snapshots"]
    done = cartctl("rehearse", "--server", scratch, "--with-data", snapshot["id"], "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "pass")


def test_the_applications_next_migration_is_rehearsed(
    platform_database: Postgres, environment: Environments, scratch: str, tmp_path: Path
) -> None:
    """With the application's files run, its ledger must hold what its own tool compares; a file that fails is found."""
    run_sql(platform_database, LEDGER)
    for migration in MIGRATIONS:
        (tmp_path / "m" / migration.name).mkdir(parents=True)
        (tmp_path / "m" / migration.name / "migration.sql").write_bytes(migration.up + b"-- theirs\n")
    env = environment(platform_database, migrations={"prisma_dir": str(tmp_path / "m"), "source": "prisma"})
    assert verdicts(env, scratch) == dict.fromkeys((*PASSED[:2], "ledger", *PASSED[2:]), Verdict.PASS)
    (tmp_path / "m" / NAMES[2] / "migration.sql").write_text("SELECT nonsense;")
    assert verdicts(env, scratch) == {"copy": Verdict.PASS, "migrate and verify": Verdict.FAIL}
