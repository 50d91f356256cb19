"""What the library cannot do on tables that another application has made, for example with Prisma."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text


@dataclass(frozen=True, slots=True)
class MissingFeature:
    """A feature that the tables lack, and what does not work without it."""

    lacks: str
    consequence: str


_EVERYTHING = "no call of the library works: every call uses this column"
_COLUMNS = {
    ("carts", "siteType"): _EVERYTHING,
    ("carts", "version"): _EVERYTHING,
    ("carts", "shippingState"): _EVERYTHING,
    ("carts", "shippingCity"): _EVERYTHING,
    ("cart_items", "giftPromotionId"): _EVERYTHING,
    ("promotions", "priority"): _EVERYTHING,
    ("promotions", "stackable"): _EVERYTHING,
}
_NUMBERS = "amounts or counts that do not fit the column are refused with OUT_OF_RANGE when they are written"
_KEYS = {
    (
        "cart_items",
        "carts",
    ): "lines added without a lock are detected only at conversion; deleted carts leave their lines behind",
    ("cart_promotions", "carts"): "deleted carts leave their codes behind",
    ("cart_promotions", "promotions"): "deleted promotions leave their codes behind; such codes are ignored",
    ("cart_items", "products"): "a line may refer to a deleted product",
}
_PRESENT = text(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))"
)
_NARROWER = text(
    """
    SELECT table_name, column_name, numeric_precision, numeric_scale FROM information_schema.columns
    WHERE table_schema = ANY (current_schemas(false)) AND table_name IN ('carts', 'cart_items', 'cart_promotions')
      AND data_type = 'numeric' AND numeric_precision - numeric_scale < 10
    ORDER BY table_name, column_name
    """
)
_FOREIGN_KEYS = text(
    """
    SELECT child.relname, parent.relname FROM pg_constraint
    JOIN pg_class AS child ON child.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid WHERE contype = 'f'
    """
)
_CODE_INDEX = text(
    """
    SELECT count(*) FROM pg_index WHERE indrelid = to_regclass('promotions') AND indisunique
       AND pg_get_indexdef(indexrelid) LIKE '%upper(btrim(code))%'
    """
)


def missing_features(engine: Engine) -> tuple[MissingFeature, ...]:
    """What these tables lack compared with cartctl's own, with each consequence; empty if nothing is missing. Read-only."""
    with engine.connect() as connection:
        present = {(row[0], row[1]) for row in connection.execute(_PRESENT)}
        keys = {(row[0], row[1]) for row in connection.execute(_FOREIGN_KEYS)}
        return (
            *(_column(name, why) for name, why in _COLUMNS.items() if name not in present),
            *_narrower(connection),
            *(_key(name, why) for name, why in _KEYS.items() if name not in keys),
            *_codes(connection),
        )


def _column(name: tuple[str, str], why: str) -> MissingFeature:
    return MissingFeature(f"column {'.'.join(name)}", why)


def _narrower(connection: Connection) -> tuple[MissingFeature, ...]:
    return tuple(
        MissingFeature(f"digits: {row[0]}.{row[1]} is numeric({row[2]},{row[3]})", _NUMBERS)
        for row in connection.execute(_NARROWER)
    )


def _key(name: tuple[str, str], why: str) -> MissingFeature:
    return MissingFeature(f"foreign key from {name[0]} to {name[1]}", why)


def _codes(connection: Connection) -> tuple[MissingFeature, ...]:
    if connection.scalar(_CODE_INDEX):
        return ()
    why = (
        "two promotions may have the same code in different spellings; the one with the lowest ID is applied"
    )
    return (MissingFeature("unique index on promotions (companyId, upper(btrim(code)))", why),)
