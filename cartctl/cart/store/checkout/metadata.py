"""Changes of a cart's metadata, which other applications write as well: only our own keys are touched."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, cast, false, func, literal
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Text

from cartctl.cart.store.checkout.quote_json import TIME_PATTERN, time_text
from cartctl.cart.store.tables import CartRow


def with_entries(entries: dict[str, Any] | ColumnElement[Any], *removed: str) -> ColumnElement[Any]:
    """The metadata with some keys set and others removed; what is not an object is retained as `previous`."""
    known: ColumnElement[Any] = case(
        (func.jsonb_typeof(CartRow.metadata_) == "object", CartRow.metadata_),
        else_=func.jsonb_build_object("previous", CartRow.metadata_),
    )
    if removed:
        known = cast(known.op("-")(cast(list(removed), ARRAY(Text))), JSONB)
    return known.op("||")(literal(entries, JSONB) if isinstance(entries, dict) else entries)


def paying(now: datetime, cart: Any = CartRow) -> ColumnElement[bool]:
    """Whether a payment of the cart is in flight. Never null, and no error whatever others have written."""
    ends = cart.metadata_["payment"]["expiresAt"].astext
    return func.coalesce(and_(ends.regexp_match(TIME_PATTERN), ends > time_text(now)), false())
