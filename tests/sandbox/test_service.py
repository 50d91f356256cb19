"""The reference application, on the real sandbox."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Connection
from tests.sandbox_fixture import Sandbox, drop_the_cart, wait_for

SQL = Path(__file__).parents[2] / "cartctl" / "migrations" / "sql"


PAGES = {
    "/carts": "carts",
    "/carts/abandoned": "carts-abandoned",
    "/insights/ecommerce": "insights-ecommerce",
}


def migrate(sandbox: Sandbox) -> None:
    """The cart's tables, as a deployment makes them, without cartctl's own records."""
    with sandbox.database.session("test", autocommit=False) as connection:
        connection.execute("SET LOCAL ROLE payment_owner")
        for folder in sorted(SQL.iterdir()):
            connection.execute((folder / "migration.sql").read_bytes())
        connection.execute(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO payment_api"
        )


def release(sandbox: Sandbox, version: str) -> None:
    """Roll one version out to the API and the dashboard."""
    for name, container in (("payment-api", "api"), ("admin-dashboard", "web")):
        sandbox.cluster.set_images(name, {container: version}, cause="test")
    wait_for(sandbox.settled)


def test_version_one_serves_the_platform_without_the_cart(sandbox: Sandbox) -> None:
    """1.0.0 knows sessions, products and the critical paths, and no cart."""
    assert sandbox.api.get("/health").json() == {"status": "ok", "version": "1.0.0", "database": "up"}
    session = sandbox.api.get("/api/auth/session").json()
    assert session["company"] == {"id": "avnz", "name": "AVNZ"}
    assert sandbox.api.without_token().get("/api/auth/session").status == 401
    assert [sandbox.api.get(f"/api/{path}/health").status for path in ("payments", "orders")] == [200, 200]
    assert sandbox.api.get("/api/products").json()
    assert sandbox.api.get("/api/admin/carts").status == 404
    assert sandbox.dashboard.get("/carts").status == 404


def test_version_two_answers_empty_on_a_migrated_database(sandbox: Sandbox) -> None:
    """2.0.0 lists no carts, counts zeros and has no ratio, until there are carts."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    assert sandbox.api.get("/api/admin/carts").json() == []
    stats = sandbox.api.get("/api/admin/carts/stats").json()
    assert stats == {
        **dict.fromkeys(("total", "active", "abandoned", "converted", "merged", "expired"), 0),
        "totalValue": "0.00",
        "values": {},
    }
    overview = sandbox.api.get("/api/admin/ecommerce-analytics/overview").json()
    assert (overview["currencies"], overview["bySiteType"]) == ([], [])
    assert sandbox.api.without_token().get("/api/admin/carts").status == 401


def test_pages(sandbox: Sandbox) -> None:
    """Each of the three pages is HTML with its marker, and linked from the others."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    for path, page in PAGES.items():
        answer = sandbox.dashboard.get(path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert f'<main data-page="{page}">' in answer.body
        assert all(f'href="{other}"' in answer.body for other in PAGES)


def maintain(sandbox: Sandbox, seconds: float) -> None:
    """Maintenance until so many seconds from now."""
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    text = json.dumps({"on": True, "until": until, "by": "test"})
    sandbox.cluster.put_settings("cart-runtime", {"MAINTENANCE": text})


def test_maintenance_sends_shoppers_away_and_ends_by_itself(sandbox: Sandbox) -> None:
    """Shoppers get 503 with Retry-After, admins and probes pass, and past `until` nobody is sent away."""
    shopper = sandbox.api.without_token()
    maintain(sandbox, 1.0)
    refused = shopper.get("/api/products")
    assert refused.status == 503
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert sandbox.api.get("/api/products").status == 200
    assert [shopper.get(path).status for path in ("/health", "/metrics")] == [200, 200]
    assert Http(shopper.base_url, token="guessed").get("/api/products").status == 503
    wait_for(lambda: shopper.get("/api/products").status == 200)


@pytest.mark.parametrize(
    "text", ("{", "[]", '{"on": "yes"}', '{"on": true}', '{"on": true, "until": "soon"}')
)
def test_maintenance_that_is_not_understood_is_off_and_logged(sandbox: Sandbox, text: str) -> None:
    """Malformed content sends nobody away and leaves one line in the log."""
    sandbox.cluster.put_settings("cart-runtime", {"MAINTENANCE": text})
    assert sandbox.api.without_token().get("/api/products").status == 200
    wait_for(
        lambda: any("MAINTENANCE is invalid" in x for x in sandbox.cluster.logs("payment-api", lines=50))
    )


def test_flags_decide_per_company(sandbox: Sandbox) -> None:
    """A feature that is on for the internal company alone is 404 for one outside, and off when its definition is broken."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    outside = Http(sandbox.api.base_url, token=sandbox.layout.outside_token.read_text(encoding="utf-8"))
    assert outside.get("/api/admin/carts").status == 200
    internal = {"if": [{"in": [{"var": "targetingKey"}, ["avnz"]]}, "on", "off"]}
    flag = {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": internal,
    }
    text = json.dumps({"flags": {"FEATURE_CART_MANAGEMENT": flag}})
    sandbox.cluster.put_settings("cart-flags", {"flags.json": text})
    assert sandbox.api.get("/api/admin/carts").status == 200
    refused = outside.get("/api/admin/carts")
    assert (refused.status, refused.json()) == (404, {"error": "feature_disabled"})
    assert sandbox.dashboard.get("/carts").status == 200
    assert sandbox.dashboard.get("/insights/ecommerce").status == 404
    sandbox.cluster.put_settings("cart-flags", {"flags.json": "{"})
    assert sandbox.api.get("/api/admin/carts").status == 404


def test_version_two_without_its_tables_fails_and_stays_ready(sandbox: Sandbox) -> None:
    """On an unmigrated database the cart's routes are 500 and logged, while health and the platform are fine."""
    release(sandbox, "2.0.0")
    assert sandbox.api.get("/api/admin/carts").status == 500
    assert sandbox.api.get("/api/products").status == 200
    assert sandbox.api.get("/health").ok
    logged = sandbox.cluster.logs("payment-api", lines=50)
    assert any("ERROR" in line and 'relation "carts" does not exist' in line for line in logged)


def test_tables_may_come_and_go_under_a_running_replica(sandbox: Sandbox) -> None:
    """The same replicas answer before, during and after the cart's tables exist."""
    release(sandbox, "2.0.0")
    pods = {pod.name for pod in sandbox.cluster.pods("payment-api") if pod.ready}
    for _ in range(2):
        migrate(sandbox)
        assert {sandbox.api.get("/api/admin/carts").status for _ in range(30)} == {200}
        with sandbox.superuser.session("test", autocommit=False) as connection:
            drop_the_cart(connection)
        assert {sandbox.api.get("/api/admin/carts").status for _ in range(30)} == {500}
    assert {pod.name for pod in sandbox.cluster.pods("payment-api") if pod.ready} == pods


def test_figures_are_the_carts(sandbox: Sandbox) -> None:
    """List, stats and overview tell what stands in the company's carts, amounts as strings, others' carts left out."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    with sandbox.database.session("test") as connection:
        connection.execute(CARTS)
    listed = sandbox.api.get("/api/admin/carts").json()
    assert [cart["id"] for cart in listed] == ["c4", "c3", "c2", "c1"]
    assert listed[0]["grandTotal"] == "40.00"
    stats = sandbox.api.get("/api/admin/carts/stats").json()
    assert (stats["total"], stats["converted"], stats["abandoned"], stats["totalValue"]) == (
        4,
        2,
        1,
        "100.00",
    )
    [usd] = sandbox.api.get("/api/admin/ecommerce-analytics/overview").json()["currencies"]
    assert usd == {
        "currency": "USD",
        "carts": 4,
        "conversionRate": "0.5000",
        "abandonmentRate": "0.2500",
        "recoveryRate": "0.5000",
        "attributedRecoveryRate": "0.0000",
        "orders": 2,
        "averageOrderValue": "35.00",
    }
    assert "c3" in sandbox.dashboard.get("/carts").body
    assert "50.0 %" in sandbox.dashboard.get("/insights/ecommerce").body


CARTS = """
INSERT INTO carts (id, "companyId", status, "itemCount", "grandTotal", "createdAt", "lastActivityAt", "abandonedAt",
                   "convertedAt", "updatedAt")
SELECT id, company, status::"CartStatus", 1, total, now() - interval '2 days', now() - age, abandoned, converted, now()
FROM (VALUES
  ('c1', 'avnz', 'ACTIVE', 10.00, interval '4 hours', NULL, NULL),
  ('c2', 'avnz', 'ABANDONED', 20.00, interval '3 hours', now() - interval '1 day', NULL),
  ('c3', 'avnz', 'CONVERTED', 30.00, interval '2 hours', now() - interval '1 day', now() - interval '1 hour'),
  ('c4', 'avnz', 'CONVERTED', 40.00, interval '1 hour', NULL, now() - interval '1 hour'),
  ('x1', 'harbor-goods', 'CONVERTED', 99.00, interval '1 hour', NULL, now())
) AS made (id, company, status, total, age, abandoned, converted)
"""


def test_practice_versions_misbehave_as_they_are_named(sandbox: Sandbox) -> None:
    """`-errors` fails every tenth request of a replica, `-payments-down` payments alone, `-slow` takes over 2 s at p95."""
    release(sandbox, "2.0.0-errors")
    statuses = Counter(sandbox.api.get("/api/products").status for _ in range(100))
    assert 8 <= statuses[500] <= 10
    release(sandbox, "2.0.0-payments-down")
    assert [sandbox.api.get(f"/api/{path}/health").status for path in ("payments", "orders")] == [503, 200]
    release(sandbox, "2.0.0-slow")
    with ThreadPoolExecutor(20) as crowd:
        seconds = sorted(crowd.map(lambda _: sandbox.api.get("/api/products").seconds, range(40)))
    assert seconds[-3] > 2
    assert seconds[0] < 2


def test_metrics_report_the_traffic_and_not_the_probes(sandbox: Sandbox) -> None:
    """Requests are counted by method, route and status with latencies up to 10 s; health checks are not."""
    pod = next(pod for pod in sandbox.cluster.pods("payment-api") if pod.ready)
    assert sandbox.cluster.ask(pod, "/api/products", {}).status == 200
    assert sandbox.cluster.ask(pod, "/nowhere/42", {}).status == 404
    result = sandbox.cluster.ask(pod, "/metrics", {}).body
    assert 'http_requests_total{method="GET",route="/api/products",status="200"}' in result
    assert 'http_requests_total{method="GET",route="unmatched",status="404"}' in result
    assert 'http_request_duration_seconds_bucket{le="2.5",method="GET",route="/api/products"}' in result
    assert 'db_query_duration_seconds_bucket{le="0.5"}' in result
    assert 'route="/health"' not in result
    assert "_created" not in result


def test_workers_take_pending_orders_once(sandbox: Sandbox) -> None:
    """Pending orders are processed within seconds, and none while there is no worker."""
    sandbox.cluster.set_capacity("deployment/job-worker", 0)
    wait_for(lambda: sandbox.cluster.running("deployment/job-worker") == 0)
    with sandbox.superuser.session("test") as connection:
        connection.execute(
            "UPDATE orders SET status = 'PENDING', \"processedAt\" = NULL WHERE id < 'order-0030'"
        )
        time.sleep(1.2)
        assert pending(connection) == 30
        sandbox.cluster.set_capacity("deployment/job-worker", 1)
        wait_for(lambda: pending(connection) == 0)


def pending(connection: Connection) -> int:
    """How many orders wait."""
    result = connection.execute(
        "SELECT count(*) FROM orders WHERE status = 'PENDING' AND id < 'order-0030'"
    ).fetchone()
    assert result
    return int(result[0])
