"""Databases as other tools leave them: what has our shape is adopted, what has not is named, and nobody's records are touched."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import difference, read_catalogue
from cartctl.database.migrations.adopt import adopt
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.database.test_command import Cartctl
from tests.database.test_drop import Deployed
from tests.database.test_migrate import LEDGER, ledger_row, run_sql
from tests.services import Server

FIRST, *REST = (migration.up.decode() for migration in MIGRATIONS)
CARTCTL = "SELECT to_regnamespace('cartctl')::text, to_regnamespace('cartctl_journal')::text"
ROWS = "SELECT migration_name, checksum, applied_steps_count, rolled_back_at IS NULL FROM _prisma_migrations ORDER BY 1, 4"


def recorded(checksum: Callable[[bytes], bytes] = lambda up: up) -> list[str]:
    """Our three names in Prisma's ledger, by the files' content as `checksum` changes it."""
    rows = [(migration.name, hashlib.sha256(checksum(migration.up)).hexdigest()) for migration in MIGRATIONS]
    return [
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) "
        f"VALUES (gen_random_uuid()::text, '{hashed}', '{name}', now(), 1)"
        for name, hashed in rows
    ]


OTHER_NAMES = [ledger_row(f"2026020112000{number}_shop_part_{number}") for number in range(3)]


@pytest.mark.parametrize(
    ("rows", "problems"),
    (
        (recorded(), 0),
        (recorded(lambda up: up.replace(b"\n", b"\r\n")), 0),
        (recorded(lambda up: up + b"-- edited"), 3),
        ([ledger_row(NAMES[0], finished="NULL", rolled_back="now()"), *recorded()], 0),
        (OTHER_NAMES, 0),
    ),
    ids=("same", "windows", "edited", "tried twice", "other names"),
)
def test_what_prisma_applied_is_adopted_and_its_ledger_left_alone(
    platform_database: Postgres, settings: Settings, pulse: Pulse, rows: list[str], problems: int
) -> None:
    """Under our names or its own, from our files or edited ones: recorded by us, not a row of its ledger changed."""
    run_sql(platform_database, LEDGER, FIRST, *REST, *rows)
    before = run_sql(platform_database, ROWS)
    configured = settings(platform_database)
    assert len(status(platform_database, configured).prisma.problems) == problems
    assert adopt(platform_database, configured, "run", pulse).adopted == NAMES
    assert run_sql(platform_database, ROWS) == before
    assert verify(platform_database, configured).verdict is Verdict.PASS
    assert deploy(platform_database, configured, "run", pulse).applied == ()


def test_its_files_say_that_it_knows_our_names(
    platform_database: Postgres, settings: Settings, pulse: Pulse, tmp_path: Path
) -> None:
    """Made by hand beside a ledger: with the application's files configured its next deployment finds them applied."""
    run_sql(platform_database, LEDGER, FIRST, *REST)
    for migration in MIGRATIONS[:2]:
        (tmp_path / migration.name).mkdir()
        (tmp_path / migration.name / "migration.sql").write_bytes(migration.up)
    configured = settings(platform_database, migrations={"prisma_dir": str(tmp_path)})
    adopt(platform_database, configured, "run", pulse)
    assert [row[:2] for row in run_sql(platform_database, ROWS)] == [
        (migration.name, migration.checksum) for migration in MIGRATIONS[:2]
    ]


@pytest.mark.parametrize(
    ("statements", "verdict"),
    (
        ([FIRST.replace('"currency" TEXT', '"currency" VARCHAR(3)'), *REST], Verdict.PASS),
        ([FIRST.replace("TIMESTAMP(3)", "TIMESTAMP(6)"), *REST], Verdict.PASS),
        (
            [FIRST, *REST, "ALTER TABLE carts ADD theme text", "CREATE INDEX theirs ON carts (theme)"],
            Verdict.PASS,
        ),
        ([FIRST, *REST, "ALTER TABLE carts ADD CHECK (length(notes) < 1000)"], Verdict.WARN),
        ([FIRST, *REST, "ALTER TYPE \"CartStatus\" ADD VALUE 'FROZEN'"], Verdict.WARN),
        ([FIRST, *REST, "ALTER TABLE carts ADD theme text NOT NULL"], Verdict.WARN),
        ([FIRST, *REST, "ALTER INDEX idx_carts_expiration RENAME TO theirs"], Verdict.PASS),
        ([FIRST, *REST, 'ALTER INDEX "carts_orderId_key" RENAME TO theirs'], Verdict.PASS),
        ([FIRST, *REST, "ALTER TABLE carts OWNER TO pg_monitor"], Verdict.PASS),
        ([FIRST, *REST, "ALTER TABLE carts ENABLE ROW LEVEL SECURITY"], Verdict.WARN),
    ),
)
@pytest.mark.parametrize("act", (adopt, deploy), ids=("adopt", "deploy"))
def test_what_holds_ours_is_kept_as_it_is(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    statements: list[str],
    verdict: Verdict,
    act: Callable[..., object],
) -> None:
    """Wider types, objects of its own, other names and owners: not one of them is changed, and no constraint is added."""
    run_sql(platform_database, *statements)
    configured = settings(platform_database)
    with platform_database.session("tests") as connection:
        before = read_catalogue(connection)
    act(platform_database, configured, "run", pulse)
    with platform_database.session("tests") as connection:
        changes = difference(before, read_catalogue(connection)).lines()
    assert [line for line in changes if " cartctl" not in line] == []
    assert verify(platform_database, configured).verdict is verdict


@pytest.mark.parametrize(
    ("statements", "named"),
    (
        ([FIRST.replace("TIMESTAMP(3)", "TIMESTAMPTZ(3)"), *REST], "timestamp(3) with time zone"),
        ([FIRST, *REST, "ALTER TYPE \"CartStatus\" RENAME VALUE 'MERGED' TO 'FROZEN'"], "'FROZEN'"),
        (
            [FIRST.replace('"visitorId" TEXT', '"visitorId" TEXT NOT NULL')],
            "visitorId nullability is NOT NULL",
        ),
        (["CREATE VIEW carts AS SELECT 1 AS id"], "a view with this name exists"),
        (["CREATE MATERIALIZED VIEW promotions AS SELECT 1 AS id"], "a materialized view"),
        (["CREATE TABLE carts (id text PRIMARY KEY) PARTITION BY HASH (id)"], "carts.companyId is missing"),
        ([LEDGER.replace("finished_at TIMESTAMPTZ, ", "")], "it lacks finished_at"),
        (["CREATE VIEW _prisma_migrations AS SELECT 1 AS id"], "it is not a table"),
        ([LEDGER, FIRST, ledger_row(NAMES[1], finished="NULL")], "failed migration that was not resolved"),
        (
            ["CREATE SCHEMA cartctl; CREATE TABLE cartctl.alembic_version AS SELECT 'a' AS version_num"],
            "applied to this database: a",
        ),
    ),
)
@pytest.mark.parametrize("act", (adopt, deploy), ids=("adopt", "deploy"))
def test_what_cannot_be_ours_is_named(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    statements: list[str],
    named: str,
    act: Callable[..., object],
) -> None:
    """Another shape stops both commands with one sentence of a few lines and a hint, and nothing is changed."""
    run_sql(platform_database, *statements)
    with platform_database.session("tests") as connection:
        before = read_catalogue(connection)
    with pytest.raises(Refused) as refused:
        act(platform_database, settings(platform_database), "run", pulse)
    if act is deploy:
        assert named in refused.value.message
    assert refused.value.hint
    assert len(refused.value.message) < 900
    with platform_database.session("tests") as connection:
        assert not difference(before, read_catalogue(connection))


def test_tables_in_another_schema_are_reported(
    platform_database: Postgres, settings: Settings, pulse: Pulse, pg18: Server
) -> None:
    """A platform whose tables lie elsewhere, found by its search path, is refused with the name of that schema."""
    moved = [
        f"ALTER TABLE {name} SET SCHEMA shop" for name in ("companies", "sites", "customers", "products")
    ]
    run_sql(platform_database, "CREATE SCHEMA shop", *moved)
    pg18.execute(f'ALTER DATABASE "{platform_database.name}" SET search_path = shop, public')
    with pytest.raises(Refused, match="missing in schema public") as refused:
        deploy(platform_database, settings(platform_database), "run", pulse)
    assert "in schema shop" in refused.value.hint
    assert run_sql(platform_database, CARTCTL) == [(None, None)]


BESIDE = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('deadbeef1234'), ('cafe12345678');
CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version text, script text, success boolean);
INSERT INTO flyway_schema_history VALUES (1, '1', 'V1__carts.sql', true);
CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text);
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE TABLE ddl_log (at timestamptz DEFAULT now(), tag text);
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO public.ddl_log (tag) VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note();
CREATE SCHEMA theirs; CREATE TABLE theirs.carts (id int); CREATE TYPE theirs."CartStatus" AS ENUM ('x');
ALTER TABLE companies ENABLE ROW LEVEL SECURITY
"""


def test_the_records_of_other_tools_are_theirs(server: Server, settings: Settings, tmp_path: Path) -> None:
    """Beside Alembic, Flyway, Sqitch, a publication, an event trigger and another schema's carts: deployed, taken back, as before."""
    database = server.create_platform()
    run_sql(database, BESIDE)
    server.execute(f'ALTER DATABASE "{database.name}" SET search_path = theirs')
    done = Deployed(database, settings(database), tmp_path / "run")
    assert verify(database, done.settings).verdict is Verdict.PASS
    assert status(database, done.settings).unknown == ()
    assert run_sql(database, "SELECT count(*) FROM public.alembic_version") == [(2,)]
    done.drop()
    assert done.left() == []
    server.drop(database)


def test_a_database_that_refuses_all_ddl_says_so(platform_database: Postgres, tmp_path: Path) -> None:
    """An event trigger's own words are the sentence, with a hint and exit code 3; nothing is made."""
    run_sql(
        platform_database,
        "CREATE FUNCTION frozen() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'DDL is frozen until Monday'; END $$",
        "CREATE EVENT TRIGGER frozen ON ddl_command_start EXECUTE FUNCTION frozen()",
    )
    refused = Cartctl(tmp_path, platform_database)("migrate", "deploy")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "frozen until Monday. Nothing was changed" in refused.stderr
    assert "hint: " in refused.stderr
    assert run_sql(platform_database, CARTCTL) == [(None, None)]
