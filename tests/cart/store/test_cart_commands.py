"""`cartctl cart stats|recovery|expire|cleanup` as a user runs them: shown first, written with --apply, safe to repeat."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartctl.cart.store.sql_engine import naive
from tests.cart.store.shop import Shop

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


class Cartctl:
    """The program, with a configuration for the shop's database."""

    def __init__(self, directory: Path, shop: Shop) -> None:
        self.shop = shop
        self.file = directory / "cartctl.toml"
        self.file.write_text(
            "[env.here]\n"
            f'database = {{ dsn = "{shop.database.dsn}" }}\n'
            'cluster = { kind = "kubernetes", context = "none" }\n'
            'http = { api = "http://127.0.0.1:1" }\n'
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        """A command that runs."""
        return subprocess.Popen(
            [sys.executable, "-m", "cartctl", "--config", str(self.file), "cart", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CARTCTL_STATE_DIR": str(self.file.parent / "state")},
        )

    def __call__(self, *args: str, ends: int = 0) -> str:
        """What a command writes to stdout; its exit code is looked at."""
        with self.start(*args) as process:
            result, complained = process.communicate(timeout=60)
        assert process.returncode == ends, complained
        return result

    def lines(self, *args: str, ends: int = 0) -> list[dict[str, Any]]:
        """The JSON objects it writes, one per line."""
        return [json.loads(line) for line in self(*args, "-o", "json", ends=ends).splitlines()]


@pytest.fixture
def cartctl(tmp_path: Path, shop: Shop) -> Cartctl:
    """The program on the shop."""
    return Cartctl(tmp_path, shop)


def test_expire_shows_first_and_writes_with_apply(cartctl: Cartctl, shop: Shop) -> None:
    """Without --apply it counts and changes nothing, with it the same is done, and then nothing is left."""
    for _ in range(5):
        shop.cart(expiresAt=NOW - HOUR, lastActivityAt=NOW - 5 * HOUR)
    shop.cart(lastActivityAt=NOW - 5 * HOUR)
    shop.cart(lastActivityAt=NOW)
    before = shop.statuses()
    [shown] = cartctl.lines("expire")
    assert (shown["kind"], shown["applied"], shown["counts"]) == (
        "cart_job",
        False,
        {"expired": 5, "abandoned": 1},
    )
    assert shop.statuses() == before
    [done] = cartctl.lines("expire", "--apply", "--batch-size", "2")
    assert (done["counts"], done["batches"]) == (shown["counts"], 4)
    assert sorted(shop.statuses().values()) == ["ABANDONED", "ACTIVE", *["EXPIRED"] * 5]
    assert cartctl.lines("expire", "--apply")[0]["counts"] == {"expired": 0, "abandoned": 0}
    assert "expired carts" in cartctl("expire")


def test_recovery_writes_each_claim_as_a_line(cartctl: Cartctl, shop: Shop) -> None:
    """Claims come one per line with the mail's key, no more than the limit, each cart once over all runs."""
    carts = set()
    for number, customer in enumerate(shop.customers(6)):
        left = NOW - (number + 2) * HOUR
        carts.add(shop.cart(status="ABANDONED", abandonedAt=left, customerId=customer, lastActivityAt=left))
    cartctl.file.write_text(
        f"""{cartctl.file.read_text()}carts = {{ unsubscribed_sql = "SELECT id FROM customers WHERE id = 'c6'" }}\n"""
    )
    carts.remove("cart-0011")
    assert cartctl.lines("recovery")[-1]["counts"] == {"claimed": 5}
    *first, job = cartctl.lines("recovery", "--apply", "--limit", "3", "--batch-size", "2")
    assert (job["counts"], len(first)) == ({"claimed": 3}, 3)
    *second, _ = cartctl.lines("recovery", "--apply", "--company", "shop")
    assert cartctl.lines("recovery", "--apply")[-1]["counts"] == {"claimed": 0}
    claims = first + second
    assert {claim["cart_id"] for claim in claims} == carts
    assert len(claims) == 5
    assert all(claim["kind"] == "recovery_claim" and claim["abandoned_at"].endswith("Z") for claim in claims)
    oldest = [claim["abandoned_at"] for claim in first]
    assert oldest == sorted(oldest)


def test_cleanup_expires_sessions(cartctl: Cartctl, shop: Shop) -> None:
    """Sessions past their time are expired, of one company when asked so."""
    for company in ("shop", "other"):
        shop.insert(
            "cross_site_sessions",
            id=company,
            companyId=company,
            sessionToken=company,
            expiresAt=naive(NOW - HOUR),
            updatedAt=naive(NOW),
        )
    assert cartctl.lines("cleanup")[0]["counts"] == {"sessions_expired": 2}
    assert cartctl.lines("cleanup", "--company", "other", "--apply")[0]["counts"] == {"sessions_expired": 1}
    assert dict(shop.all("SELECT id, status::text FROM cross_site_sessions"))["shop"] == "ACTIVE"


def test_how_long_a_cart_is_left_alone_is_reported(cartctl: Cartctl, shop: Shop) -> None:
    """D1: the hour is configurable; what is no such time is refused."""
    shop.cart(lastActivityAt=NOW - timedelta(minutes=20))
    [usual], [shorter] = (cartctl.lines("expire", *more) for more in ((), ("--abandon-after", "15m")))
    assert (usual["counts"]["abandoned"], shorter["counts"]["abandoned"]) == (0, 1)
    for wrong in ("0s", "9" * 400 + "d"):
        cartctl("expire", "--abandon-after", wrong, "--apply", ends=2)
    cartctl("expire", "--abandon-after", "15m", "--apply")
    assert list(shop.statuses().values()) == ["ABANDONED"]


def test_odd_names_are_shown_and_not_obeyed(cartctl: Cartctl, shop: Shop) -> None:
    """Neither markup nor escape sequences in a currency or an id change what is told."""
    odd = "[/red]\x1b[31m"
    shop.cart(currency=odd, createdAt=NOW - HOUR)
    shop.cart(id=odd, customerId="ada", status="ABANDONED", abandonedAt=NOW - 2 * HOUR)
    assert cartctl("stats", "--company", "shop").count("[/red]\\x1b[31m") == 3
    assert "claimed  [/red]\\x1b[31m  shop  ada" in cartctl("recovery", "--apply")


def test_a_company_that_is_no_text_is_refused(cartctl: Cartctl) -> None:
    """Bytes of the command line that are no UTF-8 are wrong usage, and no failure inside."""
    cartctl("stats", "--company", "\udcff", ends=2)
    cartctl("expire", "--company", "\udcff", "--apply", ends=2)


def test_stats_are_the_companys(cartctl: Cartctl, shop: Shop) -> None:
    """Counts by status, worth by currency and the overview tell the company's carts alone, exactly (D11, D12)."""
    day = NOW - 24 * HOUR
    shop.cart(createdAt=day, status="CONVERTED", convertedAt=NOW - HOUR, orderId="o", grandTotal="30.00")
    shop.cart(createdAt=day, status="ABANDONED", abandonedAt=day, siteType="FUNNEL", customerId="ada")
    shop.cart(createdAt=day, currency="JPY", grandTotal="500")
    shop.cart(createdAt=day, status="MERGED")
    shop.cart(createdAt=day, companyId="other", status="CONVERTED", convertedAt=NOW, grandTotal="999")
    document = json.loads(cartctl("stats", "--company", "shop", "-o", "json"))
    assert (document["kind"], document["total"]) == ("cart_stats", 4)
    assert document["counts"] == {"ACTIVE": 1, "CONVERTED": 1, "ABANDONED": 1, "MERGED": 1, "EXPIRED": 0}
    assert document["values"] == {"JPY": "500.00", "USD": "50.00"}
    all_usd = next(
        row for row in document["overviews"] if row["currency"] == "USD" and row["site_type"] is None
    )
    assert all_usd["overview"] == {
        "carts": 2,
        "converted": 1,
        "abandoned": 1,
        "conversion": "0.5000",
        "abandonment": "0.5000",
        "recovery": "0.0000",
        "attributed_recovery": "0.0000",
        "orders": 1,
        "aov": "30.00",
    }
    kinds = {(row["currency"], row["site_type"]) for row in document["overviews"]}
    assert {("USD", "STOREFRONT"), ("USD", "FUNNEL"), ("JPY", None)} <= kinds
    assert "funnel" in cartctl("stats", "--company", "shop")


def test_an_unknown_company_is_not_found(cartctl: Cartctl) -> None:
    """A company that does not exist has no figures of zeros: it is refused."""
    [result] = cartctl("stats", "--company", "nobody", "-o", "json", ends=3).splitlines()
    assert json.loads(result)["code"] == "NOT_FOUND"


@pytest.mark.parametrize("command", ("stats --company shop", "expire --apply", "recovery", "cleanup"))
def test_without_tables_it_says_what_to_do(cartctl: Cartctl, shop: Shop, command: str) -> None:
    """Before the migration every command is refused with the one that makes the tables."""
    shop.run("DROP TABLE carts, cart_items, saved_cart_items, cart_promotions CASCADE")
    [result] = cartctl(*command.split(), "-o", "json", ends=3).splitlines()
    assert "migrate deploy" in json.loads(result)["hint"]


def test_an_interrupted_job_keeps_what_it_has_done(cartctl: Cartctl, shop: Shop) -> None:
    """Ctrl-C ends between two batches with 130; the next run goes on with the rest and nothing is done twice."""
    shop.run(f"""
        INSERT INTO carts (id, "companyId", "expiresAt", "updatedAt")
        SELECT 'many-' || n, 'shop', '{naive(NOW - HOUR)}', now() FROM generate_series(1, 3000) AS n""")
    process = cartctl.start("expire", "--apply", "--batch-size", "1")
    while shop.one("SELECT count(*) FROM carts WHERE status = 'EXPIRED'") == 0:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    done = shop.one("SELECT count(*) FROM carts WHERE status = 'EXPIRED'")
    assert 0 < done < 3000
    assert cartctl.lines("expire", "--apply")[0]["counts"]["expired"] == 3000 - done
