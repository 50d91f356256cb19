"""The real Prisma CLI on applications whose files are not ours: each tool accepts what the other one did."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
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
from tests.database.test_prisma_itself import Prisma, packages, prisma  # noqa: F401 - fixtures
from tests.services import long
from tests.shell import Shell

TABLES = "SELECT to_regclass('carts')::text, to_regclass('promotions')::text"
THEME = (
    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'sites' AND column_name = 'cartTheme'"
)


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
