"""Rows that a policy hides are never counted as none: whatever counts, saves or restores rows is refused by name."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres, RowsHidden
from cartctl.cart.analytics import Period
from cartctl.cart.store.batches import JobOptions, expiry
from cartctl.checks.probes import expected_responses
from cartctl.database import cart_jobs
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.contract.existing_objects import holds_rows
from cartctl.database.drop.plan import plan_drop
from cartctl.database.drop.restore_rows import RowSource, restore_rows
from cartctl.database.drop.saved_rows import save_rows
from cartctl.engine.pulse import Pulse
from cartctl.rollout.gates import count_carts
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.restore.plan import Consent, plan_restore
from cartctl.snapshots.storage.local import Store
from tests.database.conftest import Settings
from tests.database.test_drop import CART, Deployed
from tests.database.test_migrate import run_sql
from tests.services import Server

NOW = datetime.now(UTC)
ROLE = "rs_restricted"


@pytest.fixture
def shop(pg18: Server, platform_database: Postgres, settings: Settings, tmp_path: Path) -> Iterator[Deployed]:
    """A deployment with three carts whose table's policies hide them from its owner, who is no superuser."""
    done = Deployed(platform_database, settings(platform_database), tmp_path / "run")
    run_sql(platform_database, *CART.split(";"))
    create(_subject(platform_database), Store(tmp_path / "store"), "before", Pulse())
    pg18.execute(f"CREATE ROLE {ROLE} LOGIN")
    names = [
        str(name)
        for (name,) in run_sql(
            platform_database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    ]
    run_sql(
        platform_database,
        f"GRANT pg_read_all_data TO {ROLE}",
        f'GRANT ALL ON DATABASE "{platform_database.name}" TO {ROLE}',
        f"GRANT ALL ON SCHEMA public, cartctl TO {ROLE}",
        *(f'ALTER TABLE public."{name}" OWNER TO {ROLE}' for name in names),
        "ALTER TABLE carts ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE carts FORCE ROW LEVEL SECURITY",
    )
    done.database = platform_database.as_user(ROLE)
    yield done
    run_sql(platform_database, f"DROP OWNED BY {ROLE} CASCADE")
    pg18.execute(f"DROP ROLE {ROLE}")


def _subject(database: Postgres) -> Subject:
    return Subject("test", database, fingerprint_hash)


def _drop(shop: Deployed, _: Path) -> None:
    shop.drop(data_loss=True)


def _plan_drop(shop: Deployed, _: Path) -> None:
    plan_drop(shop.database, shop.settings, shop.results)


def _save(shop: Deployed, place: Path) -> None:
    with shop.database.session("tests", autocommit=False) as connection:
        save_rows(shop.database, connection, ["carts"], place / "rows", Pulse())


def _put_back(shop: Deployed, place: Path) -> None:
    kept = Store(place / "store")
    with kept.opened("before") as dump:
        restore_rows(
            shop.database,
            shop.settings,
            RowSource("before", dump.path, dump.files, {"carts": 3}),
            "r",
            Pulse(),
        )


def _snapshot(shop: Deployed, place: Path) -> None:
    create(_subject(shop.database), Store(place / "store"), "after", Pulse())


def _adopt(shop: Deployed, _: Path) -> None:
    with shop.database.session("tests") as connection:
        holds_rows(connection, "carts")


def _endpoints(shop: Deployed, _: Path) -> None:
    with shop.database.session("tests") as connection:
        expected_responses.stats(connection, "c")


def _statistics(shop: Deployed, _: Path) -> None:
    cart_jobs.company_stats(shop.database, "c", Period(NOW - timedelta(days=1), NOW), Pulse())


def _job(shop: Deployed, _: Path) -> None:
    cart_jobs.preview(shop.database, "expire", expiry(timedelta(minutes=60)), JobOptions(NOW), Pulse())


def _gate(shop: Deployed, _: Path) -> None:
    count_carts(shop.database, NOW - timedelta(days=1), NOW)


EACH = (
    _plan_drop,
    _drop,
    _save,
    _put_back,
    _snapshot,
    _adopt,
    _endpoints,
    _statistics,
    _job,
    _gate,
)


def test_hidden_rows_are_an_error_everywhere(shop: Deployed, tmp_path: Path) -> None:
    """Each of them is refused with the table and what to grant, exit code 3; the rows and tables stay."""
    acts: tuple[Callable[[Deployed, Path], None], ...] = EACH
    for act in acts:
        with pytest.raises(RowsHidden) as refused:
            act(shop, tmp_path)
        assert '"carts"' in refused.value.message, act
        assert "BYPASSRLS" in refused.value.hint
        assert refused.value.exit_code == 3
    subject, store = _subject(shop.database), Store(tmp_path / "store")
    plan = plan_restore(subject, store, "before", Pulse(), disconnect=False, consent=Consent.SHOWN)
    assert '"carts"' in "; ".join(plan.refused)
    assert run_sql(shop.database.as_user("postgres"), "SELECT count(*) FROM carts") == [(3,)]
    assert not (tmp_path / "rows").exists()
