"""The carts' jobs in the job-worker: what a round does, for whom, and that workers share it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.service import cart_work
from cartctl.sandbox.service.cart_work import CartWork
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.worker import Worker
from tests.cart.store.shop import Shop
from tests.sandbox.served import write_flags
from tests.sandbox_fixture import wait_for

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(migrated: Postgres) -> Iterator[Shop]:
    """A shop."""
    made = Shop(migrated)
    yield made
    made.engine.dispose()


@pytest.fixture
def data(shop: Shop) -> Iterator[Data]:
    """The database as the worker sees it."""
    made = Data(shop.database.dsn, "worker")
    made.open()
    yield made
    made.close()


@pytest.fixture
def work(data: Data, tmp_path: Path) -> CartWork:
    """A round of the jobs, with every feature on."""
    write_flags(tmp_path)
    return CartWork(data, Flags(tmp_path / "config" / "cart-flags" / "flags.json", lambda _: None))


def left(shop: Shop, **given: object) -> str:
    """A cart that was left so long ago that a mail is due."""
    return shop.cart(**{"status": "ABANDONED", "abandonedAt": NOW - 2 * HOUR, "customerId": "ada", **given})


def test_a_round_does_every_job(shop: Shop, work: CartWork, capfd: pytest.CaptureFixture[str]) -> None:
    """Carts expire and are abandoned, mails go out with their key and sessions end; a second round finds nothing."""
    late = shop.cart(expiresAt=NOW - HOUR)
    idle = shop.cart(lastActivityAt=NOW - 2 * HOUR)
    due = left(shop)
    shop.insert(
        "cross_site_sessions",
        id="s",
        companyId="shop",
        sessionToken="s",
        expiresAt=(NOW - HOUR).replace(tzinfo=None),
        updatedAt=NOW.replace(tzinfo=None),
    )
    work()
    assert shop.statuses() == {late: "EXPIRED", idle: "ABANDONED", due: "ABANDONED"}
    assert shop.one("SELECT status::text FROM cross_site_sessions") == "EXPIRED"
    output = capfd.readouterr().err
    assert output.count("recovery mail") == 1
    assert f"cart={due} company=shop" in output
    work()
    assert "recovery mail" not in capfd.readouterr().err


def test_without_the_feature_no_mail_is_sent(
    shop: Shop, work: CartWork, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where recovery is off the job does nothing; the other jobs go on."""
    write_flags(tmp_path, FEATURE_ABANDONED_CART_RECOVERY=False)
    left(shop)
    late = shop.cart(expiresAt=NOW - HOUR)
    work()
    assert "recovery mail" not in capfd.readouterr().err
    assert shop.one('SELECT bool_or("recoveryEmailSent") FROM carts') is False
    assert shop.statuses()[late] == "EXPIRED"


def test_workers_beside_each_other_send_each_mail_once(
    shop: Shop, work: CartWork, capfd: pytest.CaptureFixture[str]
) -> None:
    """Three workers on the same carts: as many mails as carts."""
    carts = [left(shop, customerId=customer) for customer in shop.customers(30)]
    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    output = capfd.readouterr().err
    assert [output.count(f"cart={cart} ") for cart in carts] == [1] * 30


def test_the_worker_runs_the_rounds(
    shop: Shop, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of 2.0.0 runs them beside its orders; one of 1.0.0 leaves carts alone."""
    write_flags(tmp_path)
    monkeypatch.setattr(cart_work, "EVERY", 0.1)
    late = shop.cart(expiresAt=NOW - HOUR)
    for flags, status in ((None, "ACTIVE"), (tmp_path / "config" / "cart-flags" / "flags.json", "EXPIRED")):
        worker = Worker(data, flags)
        worker.start()
        try:
            shop.run("INSERT INTO orders (id, \"companyId\", total) VALUES (gen_random_uuid(), 'shop', 1)")
            wait_for(lambda: shop.one("SELECT count(*) FROM orders WHERE status = 'PENDING'") == 0)
            if flags:
                wait_for(lambda: shop.statuses()[late] == "EXPIRED")
        finally:
            worker.stop()
        assert shop.statuses()[late] == status


def test_without_tables_a_round_is_quiet(
    platform_database: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before the migration there is nothing to do and nothing to complain of."""
    data = Data(platform_database.dsn, "worker")
    data.open()
    CartWork(data, Flags(tmp_path / "none.json", lambda _: None))()
    data.close()
    assert capfd.readouterr().err == ""
