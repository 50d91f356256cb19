"""The shipped roles are enough: nobody is a superuser, and the application reads and writes what it needs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cartctl.adapters.postgres import Postgres
from tests.database.conftest import application_files
from tests.database.test_command import Cartctl
from tests.database.test_migrate import LEDGER, run_sql
from tests.services import LONG, Server

SCRIPT = Path(__file__).parents[2] / "runbooks/postgres/roles.sql"
ROLES = ("rt_deployer", "rt_owner", "rt_reader", "rt_app")


@pytest.fixture
def shop(pg15: Server) -> Iterator[Postgres]:
    """A platform with a ledger, on which the script was run twice, as its superuser sees it."""
    database = pg15.create_platform()
    run_sql(database, LEDGER, "CREATE ROLE rt_app LOGIN", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    run_sql(
        database,
        "GRANT USAGE ON SCHEMA public TO rt_app",
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
    )
    names = [f"-v{name}=rt_{name}" for name in ("deployer", "owner", "reader")]
    for _ in range(2):
        subprocess.run(
            [pg15.bin / "psql", "-X", "-q", *names, "-d", database.dsn, "-f", SCRIPT],
            check=True,
            capture_output=True,
        )
    yield database
    pg15.drop(database)
    for role in ROLES:
        pg15.execute(f"DROP OWNED BY {role}")
        pg15.execute(f"DROP ROLE {role}")


def program(directory: Path, shop: Postgres, user: str) -> Cartctl:
    """The program as one of the roles."""
    directory.mkdir(exist_ok=True)
    cartctl = Cartctl(directory, shop.as_user(user))
    files = application_files(directory / "prisma")
    roles = f', migrations.prisma_dir = "{files}", owner_role = "rt_owner", app_role = "rt_app" }}\ncluster'
    cartctl.file.write_text(cartctl.file.read_text().replace(" }\ncluster", roles))
    return cartctl


def test_the_deployer_needs_no_more(shop: Postgres, tmp_path: Path) -> None:
    """From dry run to snapshot, verification and drill, with the tables owned by the owner."""
    deployer = program(tmp_path / "d", shop, "rt_deployer")
    for line in (
        ("rehearse",),
        ("migrate", "deploy", "--dry-run"),
        ("migrate", "deploy"),
        ("migrate", "verify"),
        ("migrate", "index", "--concurrently"),
        ("snapshot", "create"),
    ):
        done = deployer(*line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert run_sql(shop, "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'cart%'") == [
        ("rt_owner",)
    ]
    assert run_sql(shop, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'rt%' AND rolsuper") == []


def test_the_application_reads_and_writes(shop: Postgres, tmp_path: Path) -> None:
    """As its own role: a cart with an item is written, read, changed and removed; the tables cannot be dropped."""
    run_sql(shop, "GRANT SELECT, INSERT, UPDATE, DELETE ON companies, products TO rt_app")
    assert program(tmp_path / "d", shop, "rt_deployer")("migrate", "deploy").returncode == 0
    application = shop.as_user("rt_app")
    run_sql(
        application,
        "INSERT INTO carts (id, \"companyId\", status, \"updatedAt\") VALUES ('1', 'c', 'ACTIVE', now())",
        "UPDATE carts SET status = 'ABANDONED'",
        'INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "updatedAt") '
        "VALUES ('t', 'c', 'DE', (enum_range(NULL::\"TaxType\"))[1], 'VAT', 0.19, now())",
    )
    assert run_sql(application, "SELECT status::text FROM carts") == [("ABANDONED",)]
    run_sql(application, "DELETE FROM carts")
    with psycopg.connect(application.dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DROP TABLE carts CASCADE")


def test_the_reader_reads_and_changes_nothing(shop: Postgres, tmp_path: Path) -> None:
    """Status and verify answer; what would change something is refused in a sentence, and nothing changes."""
    assert program(tmp_path / "d", shop, "rt_deployer")("migrate", "deploy").returncode == 0
    reader = Cartctl(tmp_path, shop.as_user("rt_reader"))
    assert reader("migrate", "status").returncode == 0
    assert reader("migrate", "verify").returncode == 0
    run_sql(shop, "DELETE FROM cartctl.alembic_version")
    refused = reader("migrate", "deploy")
    assert (refused.returncode, "Traceback" in refused.stderr) == (3, False), refused.stderr
    assert run_sql(shop, "SELECT count(*) FROM cartctl.alembic_version") == [(0,)]


READ_ONLY = {  # command line → exit codes that say what was found, not that reading was denied
    ("migrate", "status"): {0},
    ("migrate", "verify"): {0},
    ("migrate", "deploy", "--plan"): {0},
    ("migrate", "index"): {0},
    ("migrate", "lint"): {0},
    ("history",): {0},
    ("unlock",): {0},
    ("snapshot", "create"): {0},
    ("snapshot", "list"): {0},
    ("cart", "stats", "--company", "c"): {0},
    ("cart", "recovery"): {0},
    ("cart", "expire"): {0},
    ("cart", "cleanup"): {0},
    ("preflight", "--only", "migrations", "--only", "blockers", "--only", "recovery", "--only", "dump"): {0},
    ("preflight", "--only", "database", "--only", "rehearsal", "--only", "restore"): {
        7
    },  # it may not become the owner
    ("rollback", "--database", "--plan"): {0},
}


@pytest.mark.parametrize("migrated", (pytest.param(False, marks=(pytest.mark.faults, LONG)), True))
def test_the_reader_runs_every_command_that_reads(shop: Postgres, tmp_path: Path, migrated: bool) -> None:
    """With the owner configured, whose member it is not: each command reads, and what it may not do is named as that."""
    if migrated:
        assert program(tmp_path / "d", shop, "rt_deployer")("migrate", "deploy").returncode == 0
    reader = program(tmp_path / "r", shop, "rt_reader")
    text = reader.file.read_text()
    there = 'cluster = { kind = "sandbox", control = "http://127.0.0.1:1", secret = "x" }'
    reader.file.write_text(text.replace('cluster = { kind = "kubernetes", context = "none" }', there))
    jobs = [("cart", job) for job in ("stats", "recovery", "expire", "cleanup")]
    missing: dict[tuple[str, ...], set[int]] = {
        ("migrate", "verify"): {7},
        ("rollback", "--database"): {3},
        **{job: {3} for job in jobs},
    }
    denied = []
    for line, codes in READ_ONLY.items():
        done = reader(*line)
        expected = codes if migrated else missing.get(tuple(line[:2]), codes)
        if done.returncode not in expected or "permission denied" in done.stdout + done.stderr:
            denied.append((line, done.returncode, done.stdout[-600:], done.stderr))
    assert denied == []
    shown = reader("preflight", "--only", "database")
    assert [
        row.split()[1] for row in shown.stdout.splitlines() if row.startswith("fail") and "verdict" not in row
    ] == (["database.owner_role"] if migrated else ["database.owner_role", "database.schemas"]), shown.stdout


def test_a_role_without_rights_gets_the_missing_grants(pg15: Server, tmp_path: Path) -> None:
    """Somebody with a login and nothing else: exit 3, one sentence, nothing changed."""
    database = pg15.create_platform()
    pg15.execute("CREATE ROLE rt_nobody LOGIN")
    nobody = Cartctl(tmp_path, database.as_user("rt_nobody"))
    refused = nobody("migrate", "deploy")
    assert (refused.returncode, "GRANT" in refused.stderr) == (3, True), refused.stderr
    assert nobody("rehearse").returncode == 3
    denied = nobody("snapshot", "create")
    assert (denied.returncode, "pg_read_all_data" in denied.stderr) == (3, True), denied.stderr
    assert run_sql(
        database, "SELECT to_regclass('carts')::text, to_regnamespace('cartctl_journal')::text"
    ) == [(None, None)]
    pg15.drop(database)
    pg15.execute("DROP ROLE rt_nobody")
