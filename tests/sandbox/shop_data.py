"""A shop with everything: products, customers, codes, taxes, shipping."""

from cartctl.adapters.postgres import Postgres

SHOP = """
INSERT INTO companies (id, name) VALUES ('avnz', 'AVNZ'), ('harbor-goods', 'Harbor Goods');
INSERT INTO customers (id, "companyId", email, "firstName", "lastName") VALUES ('avnz-ada', 'avnz', 'ada@avnz.example', 'Ada', 'Okafor');
INSERT INTO products (id, "companyId", name, category, price, stock) VALUES
  ('avnz-kettle', 'avnz', 'Kettle', 'kitchen', 40.00, 4), ('avnz-lamp', 'avnz', 'Lamp', 'home', 25.50, 30),
  ('avnz-gone', 'avnz', 'Saddle bag', 'cycling', 18.00, 0), ('harbor-goods-kettle', 'harbor-goods', 'Kettle', 'kitchen', 9.00, 9);
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "minimumOrderAmount", "startsAt", "expiresAt", "updatedAt") VALUES
  ('ten', 'avnz', 'TEN', 'Ten percent', 'PERCENTAGE_OFF', 'CART', 10, NULL, now() - interval '1 day', NULL, now()),
  ('soon', 'avnz', 'SOON', 'Today only', 'PERCENTAGE_OFF', 'CART', 5, NULL, now() - interval '1 day', now() + interval '119 minutes', now()),
  ('big', 'avnz', 'BIG', 'Big order', 'PERCENTAGE_OFF', 'CART', 20, 500, now() - interval '1 day', NULL, now());
INSERT INTO tax_rates (id, "companyId", country, state, "taxType", name, rate, "updatedAt")
  VALUES ('ny', 'avnz', 'US', 'NY', 'SALES_TAX', 'New York', 0.08, now());
INSERT INTO shipping_zones (id, "companyId", name, "updatedAt") VALUES ('all', 'avnz', 'Everywhere', now());
INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "freeShippingThreshold", "updatedAt") VALUES
  ('standard', 'all', 'Standard', 'FLAT_RATE', 5, 100, now()), ('express', 'all', 'Express', 'FLAT_RATE', 15, NULL, now());
"""
CARTS = """
INSERT INTO carts (id, "companyId", status, "itemCount", "grandTotal", "convertedAt", "orderId", "updatedAt")
  VALUES ('sold', 'avnz', 'CONVERTED', 2, 65.50, now(), 'order-sold', now());
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt") VALUES
  ('s1', 'sold', 'avnz-kettle', '{}', 40, 40, 40, now()), ('s2', 'sold', 'avnz-lamp', '{}', 25.5, 25.5, 25.5, now());
"""


def fill_shop(database: Postgres) -> None:
    """Put all of it in."""
    with database.session("test") as connection:
        connection.execute(SHOP)
