"""Figures by day add up to the overview of the whole period, and leave cancelled orders out."""

from datetime import UTC, date, datetime
from decimal import Decimal

from cartctl.adapters.postgres import Postgres
from cartctl.cart import DailyFigures, Period, SiteType, connect, daily_figures
from cartctl.cart.store.cart_statistics import overviews

PERIOD = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
CARTS = """
INSERT INTO companies (id, name) VALUES ('avnz', 'AVNZ'), ('other', 'Other');
INSERT INTO carts (id, "companyId", currency, "siteType", status, "itemCount", "grandTotal", "createdAt", "abandonedAt", "convertedAt", metadata, "updatedAt")
SELECT id, company, currency, site::"SiteType", status::"CartStatus", items, total, created::timestamp, left_at::timestamp, bought::timestamp, metadata::jsonb, now()
FROM (VALUES
  ('a', 'avnz', 'USD', 'STOREFRONT', 'CONVERTED', 1, 10.00, '2026-03-01 23:59:59.999', NULL, '2026-03-02 00:00', '{}'),
  ('b', 'avnz', 'USD', 'STOREFRONT', 'ABANDONED', 1, 20.00, '2026-03-01 10:00', '2026-03-01 12:00', NULL, '{}'),
  ('c', 'avnz', 'USD', 'FUNNEL', 'CONVERTED', 1, 15.01, '2026-03-02 08:00', '2026-03-02 09:00', '2026-03-02 11:00', '{}'),
  ('d', 'avnz', 'USD', 'FUNNEL', 'CONVERTED', 1, 99.00, '2026-03-02 10:00', NULL, '2026-03-02 11:00', '{"cancelledAt": "2026-03-03"}'),
  ('e', 'avnz', 'JPY', 'STOREFRONT', 'CONVERTED', 1, 1001, '2026-02-01 10:00', NULL, '2026-03-03 11:00', '{}'),
  ('f', 'avnz', 'USD', 'STOREFRONT', 'MERGED', 1, 1.00, '2026-03-01 10:00', NULL, NULL, '{}'),
  ('g', 'avnz', 'USD', 'STOREFRONT', 'ACTIVE', 1, 1.00, '2026-03-04 00:00', NULL, NULL, '{}'),
  ('h', 'other', 'USD', 'STOREFRONT', 'ACTIVE', 1, 1.00, '2026-03-01 10:00', NULL, NULL, '{}')
) AS made (id, company, currency, site, status, items, total, created, left_at, bought, metadata)
"""


def test_each_day_currency_and_site(migrated: Postgres) -> None:
    """Carts by the day of their creation, orders by the day of their conversion, in UTC."""
    with migrated.session("test") as connection:
        connection.execute(CARTS)
        connection.execute("""UPDATE carts SET "recoveryEmailSentAt" = '2026-03-02 10:00' WHERE id = 'c'""")
    engine = connect(migrated.dsn)
    with engine.begin() as connection:
        rows = daily_figures(connection, "avnz", PERIOD)
        whole = overviews(connection, "avnz", PERIOD)
    engine.dispose()
    first, second, third = (date(2026, 3, day) for day in (1, 2, 3))
    assert rows == [
        DailyFigures(first, "USD", SiteType.STOREFRONT, 2, 1, 1, left=1),
        DailyFigures(
            second, "USD", SiteType.FUNNEL, 1, 1, 0, 1, Decimal("15.01"), left=1, recovered=1, by_mail=1
        ),
        DailyFigures(second, "USD", SiteType.STOREFRONT, orders=1, value=Decimal("10.00")),
        DailyFigures(third, "JPY", SiteType.STOREFRONT, orders=1, value=Decimal(1001)),
    ]
    assert (rows[0].conversion, rows[0].abandonment, rows[0].aov) == (
        Decimal("0.5000"),
        Decimal("0.5000"),
        None,
    )
    assert [row.open for row in rows] == [0, 0, 0, 0]
    assert (rows[3].conversion, rows[3].aov) == (None, Decimal(1001))
    for row in whole:
        of = [day for day in rows if day.currency == row.currency and row.site_type in {None, day.site_type}]
        assert sum(day.carts for day in of) == row.overview.carts
        assert sum(day.orders for day in of) == row.overview.orders
