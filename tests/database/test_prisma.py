"""The application's own migration files: their checksums in its ledger, run instead of ours, compared with ours."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.preview import preview
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Refused
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.database.test_command import Cartctl
from tests.database.test_migrate import LEDGER, ledger_row, run_sql

Files = Callable[..., Path]
ROWS = "SELECT checksum, finished_at IS NOT NULL, rolled_back_at IS NOT NULL FROM _prisma_migrations WHERE migration_name = '{}' ORDER BY started_at"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Writes the application's files: ours with a line of its own, and with replacements."""

    def write(**replaced: str) -> Path:
        directory = tmp_path / "prisma" / "migrations"
        for migration in MIGRATIONS:
            text = migration.up.decode() + "\n-- the application's own\n"
            for old, new in replaced.items():
                text = text.replace(
                    {"column": '"visitorId" TEXT', "column_type": '"currency" TEXT NOT NULL'}.get(old, old),
                    new,
                )
            (directory / migration.name).mkdir(parents=True, exist_ok=True)
            (directory / migration.name / "migration.sql").write_text(text)
        return directory

    return write


def checksum(directory: Path, name: str) -> str:
    """Of one of the application's files."""
    return hashlib.sha256((directory / name / "migration.sql").read_bytes()).hexdigest()


def test_its_checksums_go_into_its_ledger(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """With its files configured, the ledger says what the application's own tool compares; status sees no problem."""
    directory = files()
    run_sql(platform_database, LEDGER)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    deploy(platform_database, configured, "run", pulse)
    for name in NAMES:
        assert run_sql(platform_database, ROWS.format(name)) == [(checksum(directory, name), True, False)]
    assert status(platform_database, configured).prisma.problems == ()
    assert len(status(platform_database, settings(platform_database)).prisma.problems) == 3


def test_its_files_are_run_instead(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """With source = "prisma" its own file is executed, as the plan shows, and only what is required is expected."""
    directory = files(column='"visitorId" TEXT, "theme" TEXT')
    run_sql(platform_database, LEDGER)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory), "source": "prisma"})
    assert "the application's own" in preview(platform_database, configured).pending[0].sql
    assert deploy(platform_database, configured, "run", pulse).applied == NAMES
    assert run_sql(
        platform_database,
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'carts' AND column_name = 'theme'",
    ) == [(1,)]
    assert run_sql(platform_database, ROWS.format(NAMES[0]))[0][0] == checksum(directory, NAMES[0])
    assert verify(platform_database, configured).verdict is Verdict.PASS


def test_its_failure_is_recorded_and_can_be_repaired(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """A file that fails leaves nothing but a failed row in its ledger; once mended it goes on from there."""
    directory = files()
    broken = directory / NAMES[1] / "migration.sql"
    good = broken.read_text()
    broken.write_text(good + "\nSELECT nonsense;\n")
    run_sql(platform_database, LEDGER)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory), "source": "prisma"})
    with pytest.raises(SqlFailed, match="nonsense"):
        deploy(platform_database, configured, "run", pulse)
    assert status(platform_database, configured).applied == NAMES[:1]
    assert run_sql(platform_database, ROWS.format(NAMES[1])) == [
        (checksum(directory, NAMES[1]), False, False)
    ]
    assert run_sql(platform_database, "SELECT to_regclass('idx_carts_expiration')::text") == [(None,)]
    broken.write_text(good)
    deploy(platform_database, configured, "run", pulse)
    rows = run_sql(platform_database, ROWS.format(NAMES[1]))
    assert [row[1:] for row in rows] == [(False, True), (True, False)]
    assert verify(platform_database, configured).verdict is Verdict.PASS


def test_without_its_files_nothing_is_executed(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A ledger and no files: refused with the setting and an example, before any change; its own choice is carried out."""
    run_sql(platform_database, LEDGER)
    unset = settings(platform_database)
    for act in (
        lambda: deploy(platform_database, unset, "run", pulse),
        lambda: preview(platform_database, unset),
    ):
        with pytest.raises(Refused, match=NAMES[0]) as refused:
            act()
        assert 'migrations = { prisma_dir = "' in refused.value.hint
    assert run_sql(platform_database, "SELECT to_regnamespace('cartctl')::text") == [(None,)]
    chosen = settings(platform_database, migrations={"source": "cartctl"})
    made = deploy(platform_database, chosen, "run", pulse)
    assert [f"--applied {name}" in warning for name, warning in zip(NAMES, made.warnings, strict=True)] == [
        True
    ] * 3
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(0,)]


def test_its_name_is_recorded_only_for_its_own_file(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """Ours executed by choice beside files that do more: no row. Rows of an earlier version are named by verify."""
    directory = files(column='"visitorId" TEXT, "theme" TEXT')
    run_sql(platform_database, LEDGER)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory), "source": "cartctl"})
    made = deploy(platform_database, configured, "run", pulse)
    assert len(made.warnings) == 3
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(0,)]
    assert verify(platform_database, configured).verdict is Verdict.PASS
    run_sql(platform_database, *(ledger_row(name) for name in NAMES))  # as earlier versions did
    (ledger,) = [each for each in verify(platform_database, configured).checks if each.name == "ledger"]
    assert (ledger.verdict, NAMES[0] in str(ledger.observed)) == (Verdict.FAIL, True)
    assert "rollback --database" in ledger.hint
    unset = settings(platform_database)
    (ledger,) = [each for each in verify(platform_database, unset).checks if each.name == "ledger"]
    assert (ledger.verdict, "prisma_dir" in ledger.hint) == (Verdict.WARN, True)


def test_what_prisma_lost_is_not_made_again(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """Applied by its ledger, and a table is missing: its file would fail half-way, so it is refused."""
    directory = files()
    first = MIGRATIONS[0]
    run_sql(platform_database, LEDGER, first.up.decode(), ledger_row(first.name), "DROP TABLE wishlist_items")
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    with pytest.raises(Refused, match=first.name):
        deploy(platform_database, configured, "run", pulse)


@pytest.mark.parametrize(
    ("break_it", "error", "expected"),
    (
        (lambda d: (d / NAMES[2] / "migration.sql").unlink(), ConfigError, NAMES[2]),
        (
            lambda d: (d / NAMES[0] / "migration.sql").write_text("SELECT 1;\nVACUUM;"),
            Refused,
            "together with others: VACUUM",
        ),
        (lambda d: d.rename(d.with_name("gone")), ConfigError, "directory not found"),
    ),
)
def test_files_that_cannot_be_run_change_nothing(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    files: Files,
    break_it: Callable[[Path], object],
    error: type[Exception],
    expected: str,
) -> None:
    """A missing file or directory, and one that would commit by itself, are named before anything is done."""
    directory = files()
    configured = settings(platform_database, migrations={"prisma_dir": str(directory), "source": "prisma"})
    break_it(directory)
    with pytest.raises(error, match=expected):
        deploy(platform_database, configured, "run", pulse)
    assert run_sql(platform_database, "SELECT to_regnamespace('cartctl')::text") == [(None,)]


def test_a_difference_in_effect_is_reported_first(
    tmp_path: Path, platform_database: Postgres, files: Files
) -> None:
    """Where its files make something else, deploy says what; where they would not make what is required, it refuses."""
    cartctl = Cartctl(tmp_path, platform_database)
    directory = files(column_type='"currency" CHAR(3) NOT NULL')
    key = f', migrations = {{ prisma_dir = "{directory}" }} }}\ncluster'
    cartctl.file.write_text(cartctl.file.read_text().replace(" }\ncluster", key))
    refused = cartctl("migrate", "deploy")
    assert (refused.returncode, "carts.currency type" in refused.stderr) == (3, True)
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]
    rehearsed = cartctl("rehearse")
    assert rehearsed.returncode == 0
    files(column='"visitorId" TEXT, "theme" TEXT')
    done = cartctl("migrate", "deploy")
    assert (done.returncode, "public.carts.theme" in done.stderr) == (0, True)


def test_the_same_effect_says_nothing(tmp_path: Path, platform_database: Postgres, files: Files) -> None:
    """A comment more is another checksum and no difference."""
    cartctl = Cartctl(tmp_path, platform_database)
    key = f', migrations = {{ prisma_dir = "{files()}" }} }}\ncluster'
    cartctl.file.write_text(cartctl.file.read_text().replace(" }\ncluster", key))
    done = cartctl("migrate", "deploy")
    assert (done.returncode, done.stderr) == (0, "")


def test_its_files_run_with_the_settings_of_its_own_sessions(
    platform_database: Postgres, settings: Settings, pulse: Pulse, files: Files
) -> None:
    """What the database sets for every session holds in its files; what they set themselves ends with them."""
    name = platform_database.name
    odd = (
        "DateStyle = 'German, DMY'",
        "TimeZone = 'Asia/Tokyo'",
        "row_security = on",
        "quote_all_identifiers = on",
    )
    run_sql(platform_database, LEDGER, *(f'ALTER DATABASE "{name}" SET {each}' for each in odd))
    directory = files()
    first = directory / NAMES[0] / "migration.sql"
    results = ", ".join(f"current_setting('{each.partition(' ')[0]}')" for each in (*odd, "lock_timeout"))
    first.write_text(
        f"CREATE TABLE said AS SELECT ARRAY[{results}] AS settings;\n{first.read_text()}\n"
        "SET lock_timeout = '1s'; SET client_encoding = 'LATIN1'; SELECT set_config('search_path', '', false);"
    )
    second = directory / NAMES[1] / "migration.sql"
    second.write_text(
        f"{second.read_text()}\nINSERT INTO said SELECT ARRAY[current_setting('lock_timeout')];"
    )
    configured = settings(platform_database, migrations={"prisma_dir": str(directory), "source": "prisma"})
    assert deploy(platform_database, configured, "run", pulse).applied == NAMES
    assert run_sql(platform_database, "SELECT settings FROM said") == [
        (["German, DMY", "Asia/Tokyo", "on", "on", "200ms"],),
        (["200ms"],),
    ]
    assert verify(platform_database, configured).verdict is Verdict.PASS
