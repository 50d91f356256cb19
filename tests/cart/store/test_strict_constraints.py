"""What the strict constraints refuse, and what the models write and read."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.store.tables import CartItemRow, CartRow
from tests.services import engine_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC).replace(tzinfo=None)
WORLD = """INSERT INTO companies (id, name) VALUES ('c', 'C');
INSERT INTO products (id, "companyId", name, category, price) VALUES ('p', 'c', 'P', 'k', 1);
INSERT INTO carts (id, "companyId", "updatedAt") VALUES ('a', 'c', now());
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "startsAt", "updatedAt")
VALUES ('d', 'c', 'TEN', 'Ten', 'PERCENTAGE_OFF', 'CART', 10, now(), now());
INSERT INTO wishlists (id, "companyId", "updatedAt") VALUES ('w', 'c', now());
INSERT INTO wishlist_items (id, "wishlistId", "productId", "productSnapshot", "updatedAt") VALUES ('i', 'w', 'p', '{}', now());
INSERT INTO shipping_zones (id, "companyId", name, "updatedAt") VALUES ('z', 'c', 'Z', now())"""


@pytest.mark.parametrize(
    ("statement", "constraint"),
    (
        ('UPDATE carts SET "grandTotal" = -0.01', "carts_money_check"),
        ("UPDATE carts SET \"mergedIntoCartId\" = 'a'", "carts_mergedIntoCartId_check"),
        ("UPDATE promotions SET value = 100.01", "promotions_percentage_check"),
        ('UPDATE promotions SET "currentUses" = -1', "promotions_currentUses_check"),
        (
            (
                'INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "startsAt", "updatedAt") '
                "VALUES ('e', 'c', ' ten ', 'T', 'FREE_GIFT', 'CART', 10, now(), now())"
            ),
            "promotions_companyId_canonical_code_key",
        ),
        (
            (
                'INSERT INTO wishlist_items (id, "wishlistId", "productId", "productSnapshot", "updatedAt") '
                "VALUES ('j', 'w', 'p', '{}', now())"
            ),
            "wishlist_items_wishlistId_productId_key",
        ),
        (
            (
                'INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "updatedAt") '
                "VALUES ('t', 'c', 'US', 'VAT', 'V', 7.25, now())"
            ),
            "tax_rates_rate_check",
        ),
        (
            (
                'INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "minWeight", "maxWeight", "updatedAt") '
                "VALUES ('r', 'z', 'R', 'FREE', 0, 2, 2, now())"
            ),
            "shipping_rules_weight_check",
        ),
        (
            (
                'INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", quantity, "unitPrice", "originalPrice", '
                "\"lineTotal\", \"updatedAt\") VALUES ('l', 'a', 'p', '{}', 0, 1, 1, 1, now())"
            ),
            "cart_items_quantity_check",
        ),
    ),
)
def test_a_dishonest_write_is_refused(migrated: Postgres, statement: str, constraint: str) -> None:
    """With strict constraints a wrong value is refused by the constraint that names it."""
    with migrated.session("tests") as connection:
        connection.execute(WORLD.encode())
    with pytest.raises(SqlFailed, match=constraint), migrated.session("tests") as connection:
        connection.execute(statement.encode())


def test_a_limit_may_be_lowered_below_its_uses(migrated: Postgres) -> None:
    """Lowering a promotion's limit stays legal after it was used more often."""
    with migrated.session("tests") as connection:
        connection.execute(WORLD.encode())
        lowered = connection.execute('UPDATE promotions SET "currentUses" = 5, "maxUsesTotal" = 1')
        assert lowered.rowcount == 1


def test_models_write_and_read(migrated: Postgres) -> None:
    """Models speak snake_case to Python and camelCase to the database; defaults are the database's."""
    with migrated.session("tests") as connection:
        connection.execute(WORLD.encode())
    with engine_of(migrated) as engine, Session(engine) as session:
        session.add(
            CartRow(
                id="b", company_id="c", updated_at=NOW, grand_total=Decimal("19.99"), metadata_={"x": [1]}
            )
        )
        session.commit()
        read = session.get_one(CartRow, "b")
        assert (read.status, read.site_type, read.grand_total) == (
            CartStatus.ACTIVE,
            SiteType.STOREFRONT,
            Decimal("19.99"),
        )
        assert (read.updated_at, read.discount_codes, read.metadata_) == (NOW, [], {"x": [1]})
        session.add(
            CartItemRow(
                id="i",
                cart_id="nowhere",
                product_id="p",
                product_snapshot={},
                updated_at=NOW,
                unit_price=Decimal(1),
                original_price=Decimal(1),
                line_total=Decimal(1),
            )
        )
        with pytest.raises(IntegrityError, match="cart_items_cartId_fkey"):
            session.flush()
