"""What became of the carts of a period (D11): of one company, in one currency, also by the type of site."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.pricing.currencies import DECIMALS
from cartctl.cart.pricing.money import q

ATTRIBUTED_WITHIN = timedelta(days=7)  # from a recovery mail to the conversion that counts as its doing
_PLACES = 4
_COLUMN_PLACES = 2


@dataclass(frozen=True, slots=True)
class Period:
    """From `begin` (inclusive) to `end` (exclusive); UTC."""

    begin: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.begin <= moment < self.end


@dataclass(frozen=True, slots=True)
class Overview:
    """The rates of a cohort with 4 decimals, null without carts. `aov` is the average order value."""

    carts: int
    converted: int
    abandoned: int
    conversion: Decimal | None
    abandonment: Decimal | None
    recovery: Decimal | None
    attributed_recovery: Decimal | None
    orders: int
    aov: Decimal | None


def ratio(part: int, whole: int) -> Decimal | None:
    """A share with 4 decimals, rounded half up; None when there is nothing to share."""
    return Decimal(q(part * 10**_PLACES, whole)).scaleb(-_PLACES) if whole else None


def average(total: Decimal, count: int, code: str) -> Decimal | None:
    """The average of amounts that sum up to `total`, rounded to the currency's minor unit; None without any.

    What was sold is counted even in a currency that no cart could be priced in: with the columns' decimals then.
    """
    if not count:
        return None
    places = min(DECIMALS.get(code, _COLUMN_PLACES), _COLUMN_PLACES)
    numerator, denominator = total.as_integer_ratio()
    return Decimal(q(numerator * 10**places, denominator * count)).scaleb(-places)


def overview(carts: Iterable[Cart], company_id: str, code: str, period: Period) -> Overview:
    """The figures of the carts of a company in a currency.

    The cohort is the carts created in the period that are not merged and not empty; the average order value is that of
    the carts converted in it. Cancelled orders are excluded.
    """
    own = [
        cart
        for cart in carts
        if cart.company_id == company_id and cart.currency == code and not is_cancelled(cart)
    ]
    cohort = [cart for cart in own if _counts(cart) and cart.created_at in period]
    orders = [
        cart.grand_total for cart in own if cart.converted_at is not None and cart.converted_at in period
    ]
    left = _number(cohort, lambda cart: cart.abandoned_at is not None)
    lost = _number(cohort, lambda cart: not _converted(cart) and cart.abandoned_at is not None)
    bought = _number(cohort, _converted)
    return Overview(
        carts=len(cohort),
        converted=bought,
        abandoned=lost,
        conversion=ratio(bought, len(cohort)),
        abandonment=ratio(lost, len(cohort)),
        recovery=ratio(_number(cohort, recovered), left),
        attributed_recovery=ratio(_number(cohort, attributed), left),
        orders=len(orders),
        aov=average(sum(orders, Decimal(0)), len(orders), code),
    )


def by_site_type(
    carts: Iterable[Cart], company_id: str, code: str, period: Period
) -> dict[SiteType, Overview]:
    """The same figures for each type of site, so that carts of funnels can be distinguished."""
    listed = list(carts)
    return {
        kind: overview((cart for cart in listed if cart.site_type is kind), company_id, code, period)
        for kind in SiteType
    }


def is_cancelled(cart: Cart) -> bool:
    """Whether a cart became an order that was cancelled."""
    return _converted(cart) and cart.cancelled_at is not None


def has_worth(status: CartStatus) -> bool:
    """Whether carts of a status are in sums: a merged one is in the cart it went into, an expired one is lost."""
    return status not in {CartStatus.MERGED, CartStatus.EXPIRED}


def recovered(cart: Cart) -> bool:
    """Whether a cart was converted after it had been abandoned."""
    return (
        _converted(cart)
        and cart.abandoned_at is not None
        and cart.converted_at is not None
        and cart.abandoned_at < cart.converted_at
    )


def attributed(cart: Cart) -> bool:
    """Whether a recovered cart was converted within 7 days after its recovery mail."""
    sent, bought = cart.recovery_email_sent_at, cart.converted_at
    if not recovered(cart) or sent is None or bought is None:
        return False
    return sent <= bought <= sent + ATTRIBUTED_WITHIN


def _counts(cart: Cart) -> bool:
    return cart.status is not CartStatus.MERGED and cart.item_count > 0


def _converted(cart: Cart) -> bool:
    return cart.status is CartStatus.CONVERTED


def _number(carts: Iterable[Cart], holds: Callable[[Cart], bool]) -> int:
    return sum(1 for cart in carts if holds(cart))
