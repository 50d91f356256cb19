"""Response models of the cart's admin routes, as in the OpenAPI document.

Amounts are text, times are UTC, ratios have 4 decimals.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.store.cart_statistics import OverviewRow, Stats
from cartctl.cart.store.json_columns import names


def format_moment(moment: datetime) -> str:
    """A time of a column, which is UTC, to the millisecond."""
    known = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return known.isoformat(timespec="milliseconds") + "Z"


Amount = Annotated[Decimal, PlainSerializer(str, return_type=str)]
Moment = Annotated[datetime, PlainSerializer(format_moment, return_type=str)]

Codes = Annotated[list[str], BeforeValidator(lambda value: list(names(value)))]


class ResponseModel(BaseModel):
    """An object whose keys are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class Failure(BaseModel):
    """Every error response."""

    error: str


class CartLine(ResponseModel):
    """A cart in a list."""

    id: str
    status: CartStatus
    currency: str
    item_count: int
    grand_total: Amount
    customer_id: str | None
    site_id: str | None
    site_type: SiteType
    last_activity_at: Moment
    abandoned_at: Moment | None
    recovery_email_sent: bool


class AbandonedLine(CartLine):
    """An abandoned cart, and whether a recovery mail may be sent for it now."""

    candidate: bool


class ItemResponse(ResponseModel):
    """A line of a cart."""

    id: str
    product_id: str
    variant_id: str | None
    product_snapshot: Any
    quantity: int
    unit_price: Amount
    original_price: Amount
    discount_amount: Amount
    line_total: Amount
    custom_fields: Any
    gift_message: str | None
    is_gift: bool
    gift_promotion_id: str | None
    added_at: Moment


class AppliedResponse(ResponseModel):
    """A promotion applied to a cart."""

    id: str
    code: str
    name: str
    discount_amount: Amount


class CartResponse(CartLine):
    """A cart with everything in it."""

    subtotal: Amount
    discount_total: Amount
    tax_total: Amount
    shipping_total: Amount
    discount_codes: Codes
    shipping_country: str | None
    shipping_postal_code: str | None
    notes: str | None
    utm_source: str | None
    recovery_email_sent_at: Moment | None
    recovery_clicks: int
    merged_into_cart_id: str | None
    created_at: Moment
    expires_at: Moment | None
    converted_at: Moment | None
    order_id: str | None
    items: list[ItemResponse]
    promotions: list[AppliedResponse]


class StatsResponse(ResponseModel):
    """Carts by status, and their value by currency; `total_value` is null where there is more than one currency."""

    total: int
    active: int
    abandoned: int
    converted: int
    merged: int
    expired: int
    total_value: Amount | None
    values: dict[str, Amount]


class RatiosResponse(ResponseModel):
    """The outcome of the carts created in a period; a ratio without a denominator is null."""

    currency: str
    carts: int
    orders: int
    conversion_rate: Amount | None
    abandonment_rate: Amount | None
    recovery_rate: Amount | None
    attributed_recovery_rate: Amount | None
    average_order_value: Amount | None


class KindResponse(RatiosResponse):
    """The same ratios of one type of site."""

    site_type: SiteType


_RENAMED = {"begin": "from", "end": "to", "by_site_type": "bySiteType"}


class OverviewResponse(BaseModel):
    """The period, and its figures by currency and by type of site."""

    model_config = ConfigDict(populate_by_name=True, alias_generator=lambda name: _RENAMED.get(name, name))

    begin: Moment
    end: Moment
    currencies: list[RatiosResponse]
    by_site_type: list[KindResponse]


class RecoveryResponse(ResponseModel):
    """A recovery mail that was sent: at most one for each time a cart is abandoned."""

    cart_id: str
    abandoned_at: Moment
    sent_at: Moment


def stats_response(stats: Stats) -> StatsResponse:
    """Statistics as a response."""
    counts = {status.value.lower(): count for status, count in stats.counts.items()}
    worth = next(iter(stats.values.values()), Decimal("0.00")) if len(stats.values) <= 1 else None
    return StatsResponse(total=stats.total, total_value=worth, values=stats.values, **counts)


def overview_response(begin: datetime, end: datetime, rows: list[OverviewRow]) -> OverviewResponse:
    """Overviews as a response."""
    return OverviewResponse(
        begin=begin,
        end=end,
        currencies=[RatiosResponse(**_ratios(row)) for row in rows if row.site_type is None],
        by_site_type=[KindResponse(**_ratios(row), site_type=row.site_type) for row in rows if row.site_type],
    )


def _ratios(row: OverviewRow) -> dict[str, Any]:
    overview = row.overview
    return {
        "currency": row.currency,
        "carts": overview.carts,
        "orders": overview.orders,
        "conversion_rate": overview.conversion,
        "abandonment_rate": overview.abandonment,
        "recovery_rate": overview.recovery,
        "attributed_recovery_rate": overview.attributed_recovery,
        "average_order_value": overview.aov,
    }
