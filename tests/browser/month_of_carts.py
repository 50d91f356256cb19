"""A month of carts of one company: enough for every badge, tile and chart."""

from cartctl.adapters.postgres import Postgres

_CUSTOMERS = """
INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
SELECT 'avnz-' || n, 'avnz', lower(first) || n || '@mail.example', first, last
FROM (SELECT n, (ARRAY['Ben', 'Clara', 'Femi', 'Greta', 'Ines', 'Noor'])[n % 6 + 1] AS first,
             (ARRAY['Moreau', 'Tanaka', 'Novak', 'Haddad', 'Keller'])[n % 5 + 1] AS last FROM generate_series(1, 30) AS n) AS made
"""
_CARTS = """
INSERT INTO carts (id, "companyId", "customerId", currency, "siteType", status, "itemCount", subtotal, "grandTotal", "createdAt",
                   "lastActivityAt", "abandonedAt", "recoveryEmailSent", "recoveryEmailSentAt", "recoveryClicks", "convertedAt", "orderId", "expiresAt", "updatedAt")
SELECT 'c' || lpad(to_hex(n * 7919), 22, '0'), 'avnz', CASE WHEN n % 3 > 0 THEN 'avnz-' || (n % 30 + 1) END, currency, site::"SiteType", status::"CartStatus",
       n % 4 + 1, total, total, created, least(created + interval '20 minutes', now()),
       CASE WHEN n % 5 IN (1, 2, 3) THEN created + interval '90 minutes' END, n % 5 = 1 AND n % 2 = 0,
       CASE WHEN n % 5 IN (1, 2) AND n % 2 = 0 THEN created + interval '3 hours' END, CASE WHEN n % 5 = 2 AND n % 4 = 0 THEN 1 ELSE 0 END,
       CASE WHEN status = 'CONVERTED' THEN created + n % 7 * interval '1 hour' + interval '2 hours' END,
       CASE WHEN status = 'CONVERTED' THEN 'order-' || n END, created + interval '30 days', now()
FROM (SELECT n, now() - interval '58 days' + n * interval '2 hours 46 minutes' AS created,
             (ARRAY['USD', 'USD', 'EUR', 'USD', 'JPY'])[n % 5 + 1] AS currency,
             (ARRAY['STOREFRONT', 'STOREFRONT', 'FUNNEL'])[n % 3 + 1] AS site,
             CASE n % 5 WHEN 0 THEN 'CONVERTED' WHEN 1 THEN 'ABANDONED' WHEN 2 THEN 'CONVERTED' WHEN 3 THEN 'ABANDONED' ELSE 'ACTIVE' END AS status,
             round((20 + n * 37 %% 180 + CASE WHEN n % 5 = 4 THEN 4000 ELSE 0.95 END)::numeric, CASE WHEN n % 5 = 4 THEN 0 ELSE 2 END) AS total
      FROM generate_series(1, 500) AS n) AS made
"""
_DETAIL = """
INSERT INTO carts (id, "companyId", "customerId", status, "itemCount", subtotal, "discountTotal", "taxTotal", "shippingTotal", "grandTotal",
                   "createdAt", "lastActivityAt", "abandonedAt", "shippingCountry", "shippingState", "shippingPostalCode", "discountCodes", "updatedAt")
VALUES ('c2', 'avnz', 'avnz-ada', 'ABANDONED', 3, 105.50, 10.55, 7.60, 5, 107.55, now() - interval '5 hours', now() - interval '4 hours',
        now() - interval '3 hours', 'US', 'NY', '10001', '["TEN", "BIG"]', now());
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", quantity, "unitPrice", "originalPrice", "discountAmount", "lineTotal", "updatedAt") VALUES
  ('i1', 'c2', 'avnz-kettle', '{"name": "Kettle"}', 2, 40, 40, 8, 72, now()), ('i2', 'c2', 'avnz-lamp', '{"name": "Lamp"}', 1, 25.50, 25.50, 2.55, 22.95, now());
INSERT INTO cart_promotions (id, "cartId", "promotionId", "discountAmount") VALUES ('cp1', 'c2', 'ten', 10.55), ('cp2', 'c2', 'big', 0);
INSERT INTO carts (id, "companyId", status, "itemCount", "grandTotal", "convertedAt", "orderId", "updatedAt")
  SELECT 'sold' || n, 'avnz', 'CONVERTED', 2, 65.50, now() - interval '70 days', 'order-sold' || n, now() FROM generate_series(1, 3) AS n;
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt")
  SELECT id || product, id, product, '{}', 40, 40, 40, now() FROM carts, unnest(ARRAY['avnz-kettle', 'avnz-lamp']) AS product WHERE id LIKE 'sold%';
"""


def fill_month(database: Postgres) -> None:
    """Put all of it in."""
    with database.session("test") as connection:
        for statement in (_CUSTOMERS, _CARTS.replace("%%", "%"), _DETAIL):
            connection.execute(statement.encode())
