"""What a shopper chooses beside the lines: codes, gifts, address and way of shipping."""

from dataclasses import replace

from sqlalchemy import delete, func, insert, select

from cartctl.cart.errors import InputError, NotFound
from cartctl.cart.pricing.places.address import Address, country_error, state_error
from cartctl.cart.pricing.promotions.codes import canonical_code
from cartctl.cart.service.changes import CartView, finish, lock
from cartctl.cart.service.scope import Scope, new_id
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.json_columns import declined_gifts
from cartctl.cart.store.loading import promotion_of
from cartctl.cart.store.tables import CartPromotionRow, PromotionRow

MOST_CODES = 20


def apply_code(scope: Scope, cart_id: str, code: str, version: int | None) -> CartView:
    """Apply a code; what it gives, or why it gives nothing, is in the price. The same code again changes nothing."""
    canonical = canonical_code(code)
    stored = lock(scope, cart_id, version)
    own = select(PromotionRow.__table__).where(
        PromotionRow.company_id == scope.company_id,
        func.upper(func.btrim(PromotionRow.code)) == canonical,
        PromotionRow.is_active,
    )
    row = scope.connection.execute(own.order_by(PromotionRow.id).limit(1)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"Code {canonical} not found.")
    promotion = promotion_of(row)
    if promotion.id not in stored.shown:
        if len(stored.shown) >= MOST_CODES:
            raise InputError("code", f"a cart has at most {MOST_CODES} codes")
        new = {"id": new_id(), "cart_id": cart_id, "promotion_id": promotion.id}
        scope.connection.execute(
            insert(CartPromotionRow).values(**new, discount_amount=0, applied_at=scope.now)
        )
        known = (*stored.promotions, promotion)
        stored = replace(stored, promotions=known, shown={**stored.shown, promotion.id: promotion.value * 0})
    codes = [each.code for each in stored.promotions]
    return finish(scope, stored, columns={"discountCodes": codes})


def remove_code(scope: Scope, cart_id: str, code: str, version: int | None) -> CartView:
    """Remove a code. Raises NotFound for one that the cart does not have."""
    canonical = canonical_code(code)
    stored = lock(scope, cart_id, version)
    matching = [each for each in stored.promotions if each.code.strip().upper() == canonical]
    if not matching:
        raise NotFound(f"Cart {cart_id} does not have the code {canonical}.")
    ids = [each.id for each in matching]
    own = CartPromotionRow.cart_id == cart_id
    scope.connection.execute(delete(CartPromotionRow).where(own, CartPromotionRow.promotion_id.in_(ids)))
    rest = tuple(each for each in stored.promotions if each.id not in ids)
    shown = {name: amount for name, amount in stored.shown.items() if name not in ids}
    columns = {"discountCodes": [each.code for each in rest]}
    return finish(scope, replace(stored, promotions=rest, shown=shown), columns=columns)


def decline_gift(scope: Scope, cart_id: str, promotion_id: str, version: int | None) -> CartView:
    """Decline the gift of a promotion, for as long as the cart lives."""
    refuse_unstorable(promotionId=promotion_id)
    stored = lock(scope, cart_id, version)
    declined = sorted({*declined_gifts(stored.row["metadata"]), promotion_id})
    return finish(scope, stored, entries={"declinedGifts": declined})


def set_address(scope: Scope, cart_id: str, address: Address | None, version: int | None) -> CartView:
    """Set where the cart is shipped to; None for an unknown address. Raises InputError for a place that is not known."""
    if address is not None:
        _refuse_unknown(address)
    stored = lock(scope, cart_id, version)
    columns = {
        "shippingCountry": address.country if address else None,
        "shippingState": address.state if address else None,
        "shippingCity": address.city if address else None,
        "shippingPostalCode": address.postal_code if address else None,
    }
    return finish(scope, stored, columns=columns)


def choose_shipping(scope: Scope, cart_id: str, rule_id: str | None, version: int | None) -> CartView:
    """Choose a shipping rule; it counts while it is offered. None: the cheapest one."""
    refuse_unstorable(shippingRuleId=rule_id or "")
    stored = lock(scope, cart_id, version)
    if rule_id is None:
        return finish(scope, stored, removed=("shippingRuleId",))
    return finish(scope, stored, entries={"shippingRuleId": rule_id})


def _refuse_unknown(address: Address) -> None:
    parts = {
        "country": address.country,
        "state": address.state,
        "city": address.city,
        "postalCode": address.postal_code,
    }
    refuse_unstorable(**{name: part for name, part in parts.items() if part is not None})
    if why := country_error(address.country):
        raise InputError("shipTo.country", why)
    if address.state and (why := state_error(address.state, address.country)):
        raise InputError("shipTo.state", why)
