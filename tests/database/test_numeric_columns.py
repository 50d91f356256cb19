"""Quotes against the columns of a database whose numbers are narrower than ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from tests.database.test_migrate import run_sql
from tests.shell import Shell

CART: dict[str, Any] = {
    "currency": "CAD",
    "taxMode": "exclusive",
    "now": "2026-12-01T00:00:00Z",
    "shipTo": {"country": "CA", "state": "QC"},
    "lines": [{"id": "1", "productId": "mug", "quantity": 1, "unitPrice": "10.00"}],
    "taxRates": [{"id": "qst", "country": "CA", "taxType": "PST", "name": "QST", "rate": "0.09975"}],
}


@pytest.mark.parametrize(
    ("change", "document", "fault"),
    (
        ("", {}, None),
        ("ALTER TABLE tax_rates ALTER rate TYPE numeric", {}, None),
        (
            "ALTER TABLE tax_rates ALTER rate TYPE numeric(6,4)",
            {},
            "taxRates[0].rate: 0.09975 would be rounded to 4 decimals by tax_rates.rate, numeric(6,4)",
        ),
        (
            'ALTER TABLE carts ALTER "grandTotal" TYPE numeric(10,2)',
            {"lines": [{**CART["lines"][0], "unitPrice": "99999999.99"}]},
            "grandTotal: 109974999.99 is beyond carts.grandTotal, numeric(10,2)",
        ),
        (
            'ALTER TABLE cart_items ALTER "unitPrice" TYPE numeric(4,2)',
            {"lines": [{**CART["lines"][0], "unitPrice": "100.00"}]},
            "lines[0].unitPrice: 100.00 is beyond cart_items.unitPrice, numeric(4,2)",
        ),
    ),
)
def test_what_a_column_does_not_hold_is_named(
    migrated: Postgres, tmp_path: Path, change: str, document: dict[str, Any], fault: str | None
) -> None:
    """A number that would be rounded or refused ends with exit code 2 and its path; otherwise the quote is shown."""
    if change:
        run_sql(migrated, change)
    (tmp_path / "cart.json").write_text(json.dumps(CART | document))
    shell = Shell(tmp_path, f'[env.shop.database]\ndsn = "{migrated.dsn}"\n')
    done = shell("cart", "quote", str(tmp_path / "cart.json"), "--check-columns")
    assert done.returncode == (2 if fault else 0), done.stdout + done.stderr
    if fault:
        assert fault in " ".join(done.stderr.split())
        assert shell("cart", "quote", str(tmp_path / "cart.json")).returncode == 0


def test_without_tables_it_says_so(platform_database: Postgres, tmp_path: Path) -> None:
    """A database without the cart has nothing to compare with."""
    (tmp_path / "cart.json").write_text(json.dumps(CART))
    shell = Shell(tmp_path, f'[env.shop.database]\ndsn = "{platform_database.dsn}"\n')
    done = shell("cart", "quote", str(tmp_path / "cart.json"), "--check-columns")
    assert (done.returncode, "do not exist" in done.stderr) == (3, True)
