"""The reference application, on the real sandbox."""

from pathlib import Path

import pytest

from tests.sandbox_fixture import Sandbox, wait_for

SQL = Path(__file__).parents[2] / "cartctl" / "migrations" / "sql"


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
    }
    overview = sandbox.api.get("/api/admin/ecommerce-analytics/overview").json()
    assert (overview["currencies"], overview["bySiteType"]) == ([], [])
    assert sandbox.api.without_token().get("/api/admin/carts").status == 401


@pytest.mark.parametrize(
    ("path", "page"),
    (
        ("/carts", "carts"),
        ("/carts/abandoned", "carts-abandoned"),
        ("/insights/ecommerce", "insights-ecommerce"),
    ),
)
def test_pages(sandbox: Sandbox, path: str, page: str) -> None:
    """Each of the three pages is HTML with its marker."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    answer = sandbox.dashboard.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert f'<main data-page="{page}">' in answer.body
