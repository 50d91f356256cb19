"""Rolling back the database beneath later migrations of the application: named, refused, and nothing changed."""

from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.drop.plan import plan_drop
from cartctl.errors import Refused
from tests.database.applications import LATER, LATER_SQL, NOTIFICATIONS
from tests.database.conftest import Settings
from tests.database.test_drop import Deployed
from tests.database.test_migrate import LEDGER, ledger_row, run_sql
from tests.shell import Shell


@pytest.mark.parametrize(
    ("statement", "named"),
    (
        (LATER_SQL, ("column carts.channel", "column carts.cartScore")),
        (
            "ALTER TABLE carts ALTER subtotal TYPE numeric(14,2)",
            ("column carts.subtotal is numeric(14,2) now",),
        ),
        ("ALTER TYPE \"CartStatus\" ADD VALUE 'PAUSED'", ("label CartStatus.PAUSED",)),
        ('CREATE INDEX "carts_notes_idx" ON carts (notes)', ("index carts_notes_idx",)),
        (
            "ALTER TABLE promotions ADD CONSTRAINT short CHECK (length(code) < 99)",
            ("constraint promotions.short",),
        ),
    ),
)
def test_later_changes_stop_a_rollback(
    platform_database: Postgres, settings: Settings, tmp_path: Path, statement: str, named: tuple[str, ...]
) -> None:
    """What a later migration added to the cart's objects is named with that migration; the plan lists it too."""
    done = Deployed(platform_database, settings(platform_database), tmp_path / "run")
    run_sql(platform_database, LEDGER, statement, ledger_row(LATER))
    with platform_database.session("tests") as connection:
        before = fingerprint_hash(connection)
    plan = plan_drop(platform_database, done.settings, done.results)
    assert set(plan.later) == set(named)
    assert plan.later_migrations == (LATER,)
    with pytest.raises(Refused, match=LATER) as refused:
        done.drop(data_loss=True)
    assert all(name in refused.value.message for name in named)
    with platform_database.session("tests") as connection:
        assert fingerprint_hash(connection) == before


def test_without_later_changes_nothing_is_refused(
    platform_database: Postgres, settings: Settings, tmp_path: Path
) -> None:
    """Later migrations of other tables, and cartctl's own index built again, are no reason."""
    done = Deployed(platform_database, settings(platform_database), tmp_path / "run")
    run_sql(
        platform_database,
        LEDGER,
        NOTIFICATIONS,
        ledger_row(LATER),
        'DROP INDEX "carts_siteId_idx"; CREATE INDEX "carts_siteId_idx" ON carts ("siteId")',
    )
    assert plan_drop(platform_database, done.settings, done.results).later == ()
    done.drop()


def test_the_command_refuses_with_exit_code_3(platform_database: Postgres, tmp_path: Path) -> None:
    """`rollback --database` and its plan name the columns, and exit with code 3."""
    shell = Shell(tmp_path, f'[env.shop.database]\ndsn = "{platform_database.dsn}"\n')
    assert shell("migrate", "deploy").returncode == 0
    run_sql(platform_database, LATER_SQL)
    for options in (("--plan",), ("--yes", "--allow-data-loss")):
        refused = shell("rollback", "--database", "--application-stopped", *options)
        assert refused.returncode == 3, refused.stderr
        assert "column carts.channel" in refused.stdout + refused.stderr
    assert run_sql(platform_database, "SELECT count(*) FROM carts") == [(0,)]
