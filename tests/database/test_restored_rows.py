"""The rows back in their tables: exactly as they were, in one transaction, or not at all."""

from pathlib import Path

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres
from cartctl.database.drop.restore_rows import RowSource, find_restored_rows, restore_rows
from cartctl.database.drop.saved_rows import read_saved
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from tests.database.test_drop import Deployed, Deploying, deployed
from tests.database.test_migrate import run_sql

__all__ = ["deployed"]

FILL = """
INSERT INTO companies (id, name) VALUES ('c', 'Ç "quoted" \\ back');
INSERT INTO products (id, "companyId", name, category, price) VALUES ('p', 'c', 'P', 'x', 1);
INSERT INTO carts (id, "companyId", status, "updatedAt", "createdAt", metadata, notes, "sessionToken", subtotal, "discountCodes")
SELECT 'cart' || n, 'c', (ARRAY['ACTIVE', 'ABANDONED', 'CONVERTED'])[1 + n %% 3]::"CartStatus",
       timestamp '2026-01-01 00:00:00.123' + n * interval '1 second', timestamp '2025-12-31 23:59:59.999',
       jsonb_build_object('n', n, 'text', E'tab\\t newline\\n "é" \\\\ ' || n, 'deep', jsonb_build_array(n, null, true)),
       CASE WHEN n %% 2 = 0 THEN E'\\\\.\\n\\\\N \\t ü ' || n END, 'token' || n, n / 100.0, '["A", "B"]'
FROM generate_series(1, %s) AS n;
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt")
SELECT 'item' || n, 'cart' || n, 'p', '{"name": "P"}', 1.10, 2.20, 1.10, now() FROM generate_series(1, %s / 10) AS n;
INSERT INTO shipping_zones (id, "companyId", name, countries, states, "updatedAt")
VALUES ('z', 'c', 'Z', ARRAY['DE', 'a,"b"', NULL], NULL, now());
"""
HASH = """
SELECT (SELECT count(*)::text || md5(string_agg(md5(t::text), '' ORDER BY id)) FROM carts t)
    || (SELECT count(*)::text || md5(string_agg(md5(t::text), '' ORDER BY id)) FROM cart_items t)
    || (SELECT count(*)::text || md5(string_agg(md5(t::text), '' ORDER BY id)) FROM shipping_zones t)
"""


def filled(database: Postgres, carts: int) -> str:
    """Fill the tables; gives the hash of every row in them."""
    run_sql(database, *(FILL % (carts, carts)).split(";\n")[:-1])
    return str(run_sql(database, HASH)[0][0])


def saved(done: Deployed) -> RowSource:
    """The rows that a drop has saved."""
    directory = done.run.directory / "rows"
    result = read_saved(directory)
    assert result is not None
    return RowSource("rollback", directory / "dump", result.files, result.rows)


@pytest.fixture
def dropped(platform_database: Postgres, deployed: Deploying) -> Deployed:
    """Deployed, filled with a few rows, taken back."""
    done = deployed(platform_database)
    filled(platform_database, 20)
    done.drop(data_loss=True)
    return done


def test_a_hundred_thousand_carts_are_exactly_as_before(
    platform_database: Postgres, deployed: Deploying, tmp_path: Path, pulse: Pulse
) -> None:
    """Deployed, filled, taken back, deployed, put back: every byte of every row is the same, and it is taken back again."""
    done = deployed(platform_database)
    before = filled(platform_database, 100_000)
    done.drop(data_loss=True)
    again = deployed(platform_database)
    result = restore_rows(platform_database, done.settings, saved(done), "run-2", pulse)
    assert (result.rows["carts"], result.rows["cart_items"]) == (100_000, 10_000)
    assert run_sql(platform_database, HASH)[0][0] == before
    assert find_restored_rows(platform_database, done.settings, "run-2") is not None
    assert find_restored_rows(platform_database, done.settings, "run-3") is None
    again.drop(data_loss=True)
    assert again.left() == []


def test_tables_with_rows_are_left_alone_unless_replaced(
    platform_database: Postgres, deployed: Deploying, dropped: Deployed, tmp_path: Path, pulse: Pulse
) -> None:
    """Rows that are there stop it; when they are to be replaced they are saved first."""
    deployed(platform_database)
    row = "INSERT INTO carts (id, \"companyId\", \"updatedAt\") VALUES ('new', 'c', now())"
    run_sql(platform_database, row)
    with pytest.raises(Refused, match="already hold rows: carts"):
        restore_rows(platform_database, dropped.settings, saved(dropped), "run-2", pulse)
    assert run_sql(platform_database, "SELECT id FROM carts") == [("new",)]
    place = tmp_path / "replaced"
    restore_rows(platform_database, dropped.settings, saved(dropped), "run-2", pulse, replacing=place)
    assert run_sql(platform_database, "SELECT count(*) FROM carts") == [(20,)]
    kept = read_saved(place)
    assert kept is not None
    assert kept.rows["carts"] == 1


def test_a_row_that_refers_to_nothing_stops_all(
    platform_database: Postgres, deployed: Deploying, dropped: Deployed, pulse: Pulse
) -> None:
    """A company deleted meanwhile is named; no row of any table is kept."""
    deployed(platform_database)
    run_sql(platform_database, "DELETE FROM products", "DELETE FROM companies")
    with pytest.raises(StepFailed, match=r"refers to a missing row.*Nothing was restored"):
        restore_rows(platform_database, dropped.settings, saved(dropped), "run-2", pulse)
    assert run_sql(platform_database, "SELECT count(*) FROM shipping_zones") == [(0,)]


def test_a_damaged_dump_is_refused(
    platform_database: Postgres, deployed: Deploying, dropped: Deployed, pulse: Pulse
) -> None:
    """A flipped bit is found before anything is touched; so are tables that are not there."""
    kept = saved(dropped)
    with pytest.raises(Refused, match="Missing tables"):
        restore_rows(platform_database, dropped.settings, kept, "run-2", pulse)
    file = max(kept.dump.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Refused, match="damaged"):
        restore_rows(platform_database, dropped.settings, kept, "run-2", pulse)


def test_a_kill_before_the_end_leaves_nothing(
    platform_database: Postgres,
    deployed: Deploying,
    dropped: Deployed,
    pulse: Pulse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ended before its commit nothing is there, and the next attempt puts all of it back."""
    deployed(platform_database)

    def kill(name: str, moment: str) -> None:
        if (name, moment) == ("postgres.put_back", "before"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", kill)
        with pytest.raises(KeyboardInterrupt):
            restore_rows(platform_database, dropped.settings, saved(dropped), "run-2", pulse)
    assert find_restored_rows(platform_database, dropped.settings, "run-2") is None
    restore_rows(platform_database, dropped.settings, saved(dropped), "run-2", pulse)
    assert run_sql(platform_database, "SELECT count(*) FROM carts") == [(20,)]
