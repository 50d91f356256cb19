"""The real Prisma CLI on applications whose files are not ours: each tool accepts what the other one did."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.database.migrations.export import Form, export
from cartctl.migrations.frozen import NAMES
from tests.database.applications import (
    LATER,
    NOTIFICATIONS,
    narrow,
    other_names,
    write_application,
    write_file,
)
from tests.database.test_adoption import follow
from tests.database.test_command import Cartctl
from tests.database.test_migrate import run_sql
from tests.database.test_prisma_itself import PLATFORM, Prisma, packages, prisma  # noqa: F401 - fixtures
from tests.services import Server, long
from tests.shell import Shell

TABLES = "SELECT to_regclass('carts')::text, to_regclass('promotions')::text"
THEME = (
    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'sites' AND column_name = 'cartTheme'"
)


COMPANY = """INSERT INTO companies (id, name) VALUES ('c', 'C');
INSERT INTO sites (id, "companyId", name, domain) VALUES ('s', 'c', 'S', 's.example.org')"""
FULL = """cluster = { kind = "kubernetes", context = "none" }
http = { api = "http://127.0.0.1:1" }
"""


@pytest.fixture
def empty_database(pg15: Server) -> Iterator[Postgres]:
    """On PostgreSQL 15, dropped afterwards."""
    database = pg15.create_database()
    yield database
    pg15.drop(database)


class Deployment:
    """An application of which Prisma has applied the first files, and cartctl beside it with nothing but a DSN."""

    def __init__(self, database: Postgres, application: Prisma, directory: Path) -> None:
        self.database, self.application = database, application
        self.shell = Shell(
            directory,
            f'[env.shop.database]\ndsn = "{database.dsn}"\n'
            f'migrations = {{ prisma_dir = "{application.migrations}" }}\n',
        )
        settings = (directory / "cartctl.toml").read_text()
        self.shell.write("full.toml", f"{settings}[env.shop]\n{FULL}")

    def run(self, line: str, code: int = 0) -> str:
        """Run a command line, which must end with this exit code; gives what it said."""
        done: subprocess.CompletedProcess[str] = self.shell(*line.split())
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def catalogue(self) -> Catalogue:
        """The structure of the database without cartctl's own schemas."""
        with self.database.session("tests") as connection:
            result = read_catalogue(connection).objects
        return Catalogue({key: facts for key, facts in result.items() if " cartctl" not in key})

    def ledger(self) -> list[tuple[object, ...]]:
        """Prisma's rows."""
        return run_sql(
            self.database, "SELECT migration_name, finished_at IS NULL FROM _prisma_migrations ORDER BY 1"
        )

    def cart(self) -> list[tuple[object, ...]]:
        """Which of the first and the last tables exist."""
        return run_sql(self.database, TABLES)

    def before_the_run(self, following: str) -> None:
        """Status names the command; plan, preflight and rehearsal accept what it will do."""
        assert re.search(rf"next +cartctl migrate {following}", self.run("migrate status"))
        checks = self.shell.json("preflight", "--config", "full.toml")["checks"]
        own = [
            each for each in checks if each["name"].startswith(("database.obj", "database.led", "migrations"))
        ]
        assert own
        assert {each["verdict"] for each in own} <= {"pass", "warn"}, own
        self.run("rehearse")

    def agreed(self) -> None:
        """Both tools say that everything is applied."""
        self.run("migrate verify")
        assert "up to date" in self.application("status")
        assert "No pending migrations" in self.application("deploy")
        assert "No pending migrations" in self.run("migrate deploy")

    def adopted(self) -> None:
        """What Prisma applied is adopted, and both agree."""
        self.run("migrate adopt")
        self.agreed()

    def nothing_to_roll_back(self) -> None:
        """What Prisma applied is not cartctl's to drop: refused, and nothing changes."""
        before, ledger = self.catalogue(), self.ledger()
        for options in ("--plan", "--yes --allow-data-loss"):
            self.run(f"rollback --database --application-stopped {options}", 3)
        assert (self.catalogue(), self.ledger()) == (before, ledger)

    def rolled_back(self, before: Catalogue, ledger: list[tuple[object, ...]], *options: str) -> None:
        """The rollback, which does not need the application's files, shows its plan first; everything is as before."""
        line = " ".join(("rollback --database --application-stopped", *options))
        without = self.shell.directory / "cartctl.toml"
        text = without.read_text()
        without.write_text(re.sub("migrations = .*\n", "", text))
        self.run(f"{line} --plan")
        self.run(f"{line} --yes --allow-data-loss")
        without.write_text(text)
        assert difference(before, self.catalogue()).lines() == []
        assert self.ledger() == ledger


Applying = Callable[..., Deployment]


@pytest.fixture
def applying(
    prisma: Callable[..., Prisma],  # noqa: F811 - the fixture
    empty_database: Postgres,
    tmp_path: Path,
) -> Applying:
    """Makes an application of which Prisma has applied the first `count` of our migrations."""

    def make(count: int, change: Callable[[str], str] = narrow) -> Deployment:
        application = prisma(ours=False)
        run_sql(empty_database, NOTIFICATIONS, COMPANY)
        source = write_application(tmp_path / "source", change)
        for name in NAMES[:count]:
            write_file(application.migrations, name, (source / name / "migration.sql").read_text())
        if count:
            application("deploy")
        write_application(application.migrations, change)
        return Deployment(empty_database, application, tmp_path)

    return make


@long
@pytest.mark.parametrize("again", ("prisma", "cartctl"))
@pytest.mark.parametrize("change", (narrow, other_names))
def test_with_a_ledger_before_our_migrations(
    applying: Applying, change: Callable[[str], str], again: str
) -> None:
    """Files that add columns to `sites`, an index and a label of another enum: deployed, rolled back, deployed by either tool."""
    shop = applying(0, change)
    before, ledger = shop.catalogue(), shop.ledger()
    shop.before_the_run("deploy")
    assert shop.catalogue() == before
    shop.run("migrate deploy")
    shop.agreed()
    assert run_sql(shop.database, THEME) == [(1,)]
    plan = shop.run("rollback --database --application-stopped --plan")
    for part in ("column sites.checkoutMode", "index sites_checkoutMode_idx", "enum NotificationType"):
        assert part in plan
    shop.run("rollback --database --application-stopped --yes", 3)  # the site has a value
    shop.rolled_back(before, ledger)
    assert all(name in shop.application.start("status").communicate(timeout=120)[0] for name in NAMES)
    if again == "prisma":
        shop.application("deploy")
        shop.adopted()
        shop.nothing_to_roll_back()
    else:
        shop.run("migrate deploy")
        shop.agreed()
        shop.rolled_back(before, ledger)
        shop.application("deploy")
        shop.adopted()
    assert run_sql(shop.database, THEME) == [(1,)]


@long
def test_without_a_ledger_and_handed_to_prisma(applying: Applying) -> None:
    """Cartctl's own files, then `prisma migrate resolve --applied`; rolled back, Prisma applies them and cartctl adopts them."""
    shop = applying(0)
    subprocess.run(["rm", "-r", *(str(shop.application.migrations / name) for name in NAMES)], check=True)
    export(Form("prisma"), shop.application.migrations)
    run_sql(shop.database, "DROP TABLE _prisma_migrations")
    before = shop.catalogue()
    shop.before_the_run("deploy")
    shop.run("migrate deploy")
    shop.run("migrate verify")
    for name in (PLATFORM, *NAMES):
        shop.application("resolve", "--applied", name)
    shop.agreed()
    shop.run("rollback --database --application-stopped --plan")
    shop.run("rollback --database --application-stopped --yes")
    left = difference(before, shop.catalogue()).lines()
    assert all("_prisma_migrations" in line for line in left), left
    assert shop.ledger() == [(PLATFORM, False)]
    shop.application("deploy")
    assert shop.cart() == [("carts", "promotions")]
    shop.adopted()


@long
def test_all_three_by_prisma(applying: Applying) -> None:
    """Adopted and verified; they are not cartctl's to drop, and nothing changes for Prisma."""
    shop = applying(3)
    shop.before_the_run("adopt")
    shop.adopted()
    shop.nothing_to_roll_back()
    shop.agreed()


@long
@pytest.mark.parametrize("change", (narrow, other_names))
def test_two_of_three_by_prisma(applying: Applying, change: Callable[[str], str]) -> None:
    """The third is cartctl's: rolled back alone, applied by Prisma, adopted."""
    shop = applying(2, change)
    before, ledger = shop.catalogue(), shop.ledger()
    shop.before_the_run("adopt")
    shop.run("migrate adopt")
    shop.run("migrate deploy")
    shop.agreed()
    run = re.findall(r"\d{8}-\d{6}-\w+", shop.run("history"))[0]
    shop.rolled_back(before, ledger, f"--run {run}")
    shop.application("deploy")
    shop.adopted()
    assert shop.cart() == [("carts", "promotions")]


@long
def test_later_migrations_on_top_stop_the_rollback(applying: Applying) -> None:
    """Reported by verify; plan and rollback name the migration and exit with 3, and nothing changes."""
    shop = applying(0)
    shop.run("migrate deploy")
    write_application(shop.application.migrations, later=True)
    shop.application("deploy")
    assert "channel" in shop.run("migrate verify")
    before, ledger = shop.catalogue(), shop.ledger()
    for options in ("--plan", "--yes --allow-data-loss"):
        refused = shop.run(f"rollback --database --application-stopped {options}", 3)
        assert LATER in refused
        assert "column carts.channel" in refused
    assert (shop.catalogue(), shop.ledger()) == (before, ledger)
    shop.agreed()


@long
def test_labels_in_use_are_kept_on_request(applying: Applying) -> None:
    """A row uses the label: refused; with --keep-labels Prisma's ADD VALUE fails, as announced, and cartctl deploys over it."""
    shop = applying(0)
    run_sql(shop.database, 'CREATE TABLE notices (kind "NotificationType")')
    shop.run("migrate deploy")
    run_sql(shop.database, "INSERT INTO notices VALUES ('CART_ABANDONED')")
    for options in ("--plan", "--yes --allow-data-loss"):
        refused = shop.run(f"rollback --database --application-stopped {options}", 3)
        assert "rows use CART_ABANDONED in notices.kind" in refused
    rolled = shop.run("rollback --database --application-stopped --yes --allow-data-loss --keep-labels")
    assert "a plain ADD VALUE" in rolled
    assert "label NotificationType.CART_ABANDONED exists already" in shop.run("migrate deploy")
    shop.agreed()
    shop.run(
        "rollback --database --application-stopped --yes --allow-data-loss"
    )  # the label was there before
    with shop.application.start("deploy") as running:
        result, _ = running.communicate(timeout=120)
    assert (running.returncode, "already exists" in result) == (1, True)


@long
@pytest.mark.parametrize("change", (narrow, other_names))
@pytest.mark.parametrize("applied", (0, 2, 3))
def test_both_tools_agree(
    prisma: Callable[..., Prisma],  # noqa: F811 - the fixture
    empty_database: Postgres,
    tmp_path: Path,
    applied: int,
    change: Callable[[str], str],
) -> None:
    """Some of the files by Prisma, the rest by cartctl: both say that nothing is pending, and the whole effect is there."""
    application = prisma(ours=False)
    run_sql(empty_database, NOTIFICATIONS)
    source = write_application(tmp_path / "source", change)
    for name in NAMES[:applied]:
        write_file(application.migrations, name, (source / name / "migration.sql").read_text())
    application("deploy")
    write_application(application.migrations, change)
    cartctl = Cartctl(tmp_path, empty_database)
    follow(cartctl, application.migrations, "migrate", "adopt" if applied else "deploy")
    follow(cartctl, application.migrations, "migrate", "deploy")
    assert cartctl("migrate", "verify").returncode == 0
    assert "up to date" in application("status")
    assert "No pending migrations" in application("deploy")
    assert run_sql(empty_database, THEME) == [(1,)]
    write_application(application.migrations, change, later=True)
    application("deploy")
    verified = cartctl("migrate", "verify")
    assert (verified.returncode, "channel" in verified.stdout) == (0, True)
    assert LATER in {row["name"] for row in cartctl.json("migrate", "status")["prisma"]["rows"]}


@long
def test_a_rollback_gives_the_file_back_to_prisma(
    prisma: Callable[..., Prisma],  # noqa: F811 - the fixture
    empty_database: Postgres,
    tmp_path: Path,
) -> None:
    """Two of three by Prisma, the third by cartctl and rolled back: Prisma applies it, and cartctl adopts all three."""
    application = prisma(ours=False)
    run_sql(empty_database, NOTIFICATIONS)
    write_application(application.migrations)
    third = application.migrations / NAMES[2]
    third.rename(tmp_path / "third")
    application("deploy")
    (tmp_path / "third").rename(third)
    shell = Shell(
        tmp_path,
        f'[env.shop.database]\ndsn = "{empty_database.dsn}"\nmigrations = {{ prisma_dir = "{application.migrations}" }}\n',
    )
    done = shell("migrate", "deploy")
    assert done.returncode == 0, done.stderr
    run = re.findall(r"\d{8}-\d{6}-\w+", shell("history").stdout)[0]
    done = shell("rollback", "--run", run, "--database", "--yes", "--application-stopped")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_sql(empty_database, TABLES) == [("carts", None)]
    assert NAMES[2] in application("deploy")
    assert run_sql(empty_database, TABLES) == [("carts", "promotions")]
    for command in ("migrate adopt", "migrate verify", "migrate deploy"):
        done = shell(*command.split())
        assert done.returncode == 0, done.stdout + done.stderr
    assert "up to date" in application("status")
