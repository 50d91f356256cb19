"""Databases that Prisma migrated by an application's own files: adopted, verified and deployed to, without a circle."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import difference, read_catalogue
from cartctl.database.migrations.adopt import adopt
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.migrations.frozen import NAMES
from tests.database.applications import (
    LATER,
    NOTIFICATIONS,
    applied_by_prisma,
    narrow,
    other_names,
    same,
    write_application,
)
from tests.database.conftest import Settings
from tests.database.test_command import Cartctl
from tests.database.test_migrate import LEDGER, ledger_row, run_sql
from tests.shell import Shell

APPLIED = "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY 1"
SHAPES = (narrow, other_names, same)


@pytest.mark.parametrize("change", SHAPES)
def test_all_three_by_prisma_are_adopted_and_verified(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    tmp_path: Path,
    change: Callable[[str], str],
) -> None:
    """Adopted as they are, without the application's files; the differences are findings, and the ledger is unchanged."""
    directory = write_application(tmp_path / "migrations", change)
    applied_by_prisma(platform_database, directory, NAMES)
    with platform_database.session("tests") as connection:
        before = read_catalogue(connection)
    configured = settings(platform_database)
    assert adopt(platform_database, configured, "run", pulse).adopted == NAMES
    checks = verify(platform_database, configured)
    assert checks.bad() == []
    findings = [str(each.observed) for each in checks.checks if each.verdict is Verdict.WARN]
    if change is narrow:
        assert "numeric(10,2): 100000000 and more is refused" in findings
        assert "no index on tax_rates(companyId, country, state): tax lookups scan the table" in findings
        assert any("deleting a row of products also deletes its cart_items rows" in each for each in findings)
        assert any("leaves its cart_promotions rows behind" in each for each in findings)
    else:
        assert findings == []
    assert (
        verify(platform_database, configured, exact=True).verdict is Verdict.FAIL
        if change is narrow
        else True
    )
    with platform_database.session("tests") as connection:
        lines = difference(before, read_catalogue(connection)).lines()
    assert [line for line in lines if " cartctl" not in line] == []
    assert run_sql(platform_database, APPLIED) == [(name,) for name in NAMES]


@pytest.mark.parametrize("count", (1, 2))
def test_the_first_ones_by_prisma_are_adopted(
    platform_database: Postgres, settings: Settings, pulse: Pulse, tmp_path: Path, count: int
) -> None:
    """Of three, those that Prisma applied are recorded, and the rest is named with its command."""
    directory = write_application(tmp_path / "migrations")
    applied_by_prisma(platform_database, directory, NAMES[:count])
    adopted = adopt(platform_database, settings(platform_database), "run", pulse)
    assert adopted.adopted == NAMES[:count]
    assert adopted.heads == (NAMES[count - 1][:14],)
    assert [NAMES[-1] in each and "cartctl migrate deploy" in each for each in adopted.warnings] == [True]


def test_nothing_to_adopt_says_so(platform_database: Postgres, settings: Settings, pulse: Pulse) -> None:
    """Before any of the migrations, adopt names the command that applies them."""
    run_sql(platform_database, LEDGER)
    with pytest.raises(Refused, match="Nothing to adopt") as refused:
        adopt(platform_database, settings(platform_database), "run", pulse)
    assert refused.value.hint.endswith("cartctl migrate deploy")


def follow(cartctl: Cartctl, directory: Path, *first: str) -> list[tuple[str, ...]]:
    """Run a command, then what its hint says, until one succeeds; gives the commands. Fails on a circle."""
    command, configured = first, False
    history: list[tuple[tuple[str, ...], bool]] = []
    while True:
        assert (command, configured) not in history, f"a circle: {history}"
        history.append((command, configured))
        done = cartctl(*command)
        assert done.returncode in {0, 3, 7}, done.stderr
        output = done.stdout + done.stderr
        following = re.findall(r"cartctl (migrate (?:adopt|deploy|verify|status))", output)
        if done.returncode == 0:
            return [each for each, _ in history]
        if "prisma_dir" in done.stderr and not configured:
            text = cartctl.file.read_text()
            key = f', migrations = {{ prisma_dir = "{directory}" }} }}\ncluster'
            cartctl.file.write_text(text.replace(" }\ncluster", key, 1))
            configured = True
        else:
            assert following, f"no command in: {output}"
            command = tuple(following[-1].split())


@pytest.mark.parametrize(
    ("applied", "change"), ((0, narrow), (1, narrow), (2, narrow), (2, other_names), (3, narrow))
)
def test_the_hints_lead_to_a_verified_database(
    platform_database: Postgres, tmp_path: Path, applied: int, change: Callable[[str], str]
) -> None:
    """Status names the next command; each refusal names the next one; at the end everything is applied and verified."""
    directory = write_application(tmp_path / "migrations", change)
    applied_by_prisma(platform_database, directory, NAMES[:applied])
    cartctl = Cartctl(tmp_path, platform_database)
    steps: list[tuple[str, ...]] = []
    while following := re.findall(r"next +cartctl (migrate \w+)", cartctl("migrate", "status").stdout):
        command = tuple(following[0].split())
        assert command not in steps, f"a circle: {steps}"
        steps.append(command)
        follow(cartctl, directory, *command)
    assert [step[1] for step in steps] == {0: ["deploy"], 3: ["adopt"]}.get(applied, ["adopt", "deploy"])
    assert follow(cartctl, directory, "migrate", "verify") == [("migrate", "verify")]
    assert "No pending migrations" in cartctl("migrate", "deploy").stdout
    assert run_sql(platform_database, APPLIED) == [(name,) for name in NAMES]
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'sites' AND column_name IN ('cartTheme', 'checkoutMode')"
    assert run_sql(platform_database, columns) == [(2,)]


@pytest.mark.parametrize("first", ("deploy", "adopt", "verify"))
@pytest.mark.parametrize("applied", (0, 2, 3))
def test_any_first_command_leads_on(
    platform_database: Postgres, tmp_path: Path, applied: int, first: str
) -> None:
    """Whichever command comes first, its own hints end in success; the plan and the rehearsal agree with the run."""
    directory = write_application(tmp_path / "migrations")
    applied_by_prisma(platform_database, directory, NAMES[:applied])
    cartctl = Cartctl(tmp_path, platform_database)
    follow(cartctl, directory, "migrate", first)
    if first == "deploy":
        assert "No pending migrations" in cartctl("migrate", "deploy").stdout


def test_what_was_only_recorded_is_not_offered_for_a_drop(
    platform_database: Postgres, tmp_path: Path
) -> None:
    """A deployment that recorded what Prisma applied created nothing, and no hint says that it did."""
    directory = write_application(tmp_path / "migrations")
    applied_by_prisma(platform_database, directory, NAMES)
    shell = Shell(tmp_path, f'[env.shop.database]\ndsn = "{platform_database.dsn}"\n')
    assert shell("migrate", "deploy").returncode == 0
    refused = shell("rollback", "--database", "--application-stopped", "--plan")
    assert (refused.returncode, "hint: See: cartctl history" in refused.stderr) == (3, True), refused.stderr


def test_before_the_run_every_command_agrees(platform_database: Postgres, tmp_path: Path) -> None:
    """Two of three by Prisma: plan, dry run, rehearsal and preflight accept what the run then does."""
    directory = write_application(tmp_path / "migrations")
    applied_by_prisma(platform_database, directory, NAMES[:2])
    cartctl = Cartctl(tmp_path, platform_database)
    text = cartctl.file.read_text()
    key = f', migrations = {{ prisma_dir = "{directory}" }} }}\ncluster'
    cartctl.file.write_text(text.replace(" }\ncluster", key, 1))
    plan = cartctl("migrate", "deploy", "--plan")
    assert (plan.returncode, plan.stdout.count("CREATE TABLE")) == (0, 6)
    dry = cartctl("migrate", "deploy", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    rehearsed = cartctl("rehearse")
    assert rehearsed.returncode == 0, rehearsed.stdout + rehearsed.stderr
    preflight = cartctl.json("preflight")
    database = [
        each
        for each in preflight["checks"]
        if each["name"].startswith(("database.obj", "database.led", "migrations"))
    ]
    assert {each["verdict"] for each in database} <= {"pass", "warn"}, database
    assert cartctl("migrate", "deploy").returncode == 0
    assert cartctl("migrate", "verify").returncode == 0


def test_a_file_applied_in_part_is_refused_by_name(platform_database: Postgres, tmp_path: Path) -> None:
    """What exists and what is missing of it are named before anything is changed, also outside the cart's tables."""
    directory = write_application(tmp_path / "migrations")
    run_sql(platform_database, NOTIFICATIONS, LEDGER, 'ALTER TABLE sites ADD COLUMN "cartTheme" TEXT')
    cartctl = Cartctl(tmp_path, platform_database)
    key = f', migrations = {{ prisma_dir = "{directory}" }} }}\ncluster'
    cartctl.file.write_text(cartctl.file.read_text().replace(" }\ncluster", key, 1))
    for options in ((), ("--plan",), ("--dry-run",)):
        refused = cartctl("migrate", "deploy", *options)
        assert refused.returncode == 3, options
        assert f"{NAMES[0]} is partially applied: column sites.cartTheme exists" in refused.stderr
        assert "already exists" not in refused.stderr
    run_sql(
        platform_database,
        'ALTER TABLE sites DROP COLUMN "cartTheme"',
        (directory / NAMES[0] / "migration.sql").read_text().split(";")[0],
    )
    refused = cartctl("migrate", "deploy")
    assert (refused.returncode, "type CartStatus exist" in refused.stderr) == (3, True)


def test_later_migrations_are_reported(
    platform_database: Postgres, settings: Settings, pulse: Pulse, tmp_path: Path
) -> None:
    """Columns that later migrations of the application added are in the table's line."""
    directory = write_application(tmp_path / "migrations", later=True)
    applied_by_prisma(platform_database, directory, (*NAMES, LATER))
    configured = settings(platform_database)
    adopt(platform_database, configured, "run", pulse)
    (carts,) = [each for each in verify(platform_database, configured).checks if each.name == "table carts"]
    assert str(carts.observed).endswith("; also cartScore, channel")


def test_a_failed_migration_comes_first(platform_database: Postgres, tmp_path: Path) -> None:
    """A failed row of Prisma's stops every command by name; resolved as rolled back, the file runs."""
    directory = write_application(tmp_path / "migrations")
    run_sql(platform_database, NOTIFICATIONS, LEDGER, ledger_row(NAMES[0], finished="NULL"))
    cartctl = Cartctl(tmp_path, platform_database)
    for command in ("deploy", "adopt"):
        refused = cartctl("migrate", command)
        assert (refused.returncode, NAMES[0] in refused.stderr) == (3, True)
        assert "prisma migrate resolve --rolled-back" in refused.stderr
    run_sql(platform_database, "UPDATE _prisma_migrations SET rolled_back_at = now()")
    follow(cartctl, directory, "migrate", "deploy")
    assert cartctl("migrate", "verify").returncode == 0
