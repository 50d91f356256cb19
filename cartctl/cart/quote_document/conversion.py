"""From the document's models to the pricing request: defaults, and what fields must satisfy together.

Each error names the field by its path in the document.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from cartctl.cart.enums import PromotionType, ShippingRuleType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.places.address import Address, state_error
from cartctl.cart.pricing.places.countries import country_code
from cartctl.cart.pricing.places.postal_patterns import pattern_error
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.pricing.promotions.promotion import PERCENTAGES, VALID_PAIRS, Promotion
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxRate
from cartctl.cart.quote_document.field_types import (
    INT4,
    FieldError,
    Heading,
    quoted,
    read_amount,
    read_number,
)
from cartctl.cart.quote_document.models import (
    AddressPart,
    LinePart,
    OwnedPart,
    PromotionPart,
    QuoteDocument,
    ShippingRulePart,
    ShippingZonePart,
    TaxRatePart,
)

_NO_VALUE = frozenset({PromotionType.FREE_SHIPPING, PromotionType.FREE_GIFT})
_NO_RATE = frozenset({ShippingRuleType.FREE, ShippingRuleType.CALCULATED})
_NEEDED = {
    PromotionType.BUY_X_GET_Y: (("buy_quantity", "buyQuantity"), ("get_quantity", "getQuantity")),
    PromotionType.FREE_GIFT: (("get_product_id", "getProductId"),),
}  # fields that other types do without
_UNPRICED_OF_RULE = (
    *("description", "carrier", "service_code", "estimated_days_min", "estimated_days_max"),
    *("shipping_zone_id", "created_at", "updated_at"),
)

P = TypeVar("P", LinePart, PromotionPart, TaxRatePart, ShippingZonePart, ShippingRulePart)


def request_of(document: QuoteDocument, heading: Heading) -> PricingRequest:
    """The request that a document describes. Raises InputError with the path of the field that is wrong."""
    promotions = _distinct(document.promotions or (), "promotions")
    gifts = [line_id(promotion.id) for promotion in promotions]
    lines = [Line(**line.given()) for line in _distinct(document.lines, "lines", used=gifts)]
    if sum(line.quantity for line in lines) > INT4:
        raise InputError("lines", f"must not have more than {INT4} units")
    rates = _distinct(document.tax_rates or (), "taxRates")
    zones = _distinct(document.shipping_zones or (), "shippingZones")
    rows = {
        "lines": tuple(lines),
        "promotions": tuple(_promotion(one, heading, f"promotions[{n}]") for n, one in enumerate(promotions)),
        "tax_rates": tuple(_tax_rate(one, heading, f"taxRates[{n}]") for n, one in enumerate(rates)),
        "zones": tuple(_zone(one, heading, f"shippingZones[{n}]") for n, one in enumerate(zones)),
    }
    given = document.given("shipping_zones", "ship_to") | rows | {"currency": heading.money}
    return PricingRequest(**given, ship_to=_address(document.ship_to))


def _distinct(parts: Sequence[P], path: str, used: Iterable[str] = ()) -> Sequence[P]:
    ids = set(used)
    for index, part in enumerate(parts):
        if part.id in ids:
            raise InputError(f"{path}[{index}].id", f"{quoted(part.id)} is repeated")
        ids.add(part.id)
    return parts


def _address(part: AddressPart | None) -> Address | None:
    if part is None:
        return None
    _refuse_unknown_state(part.state, part.country, "shipTo.state")
    return Address(**part.given())


def _refuse_unknown_state(state: str | None, country: str, path: str) -> None:
    if state is not None and (error := state_error(state, country)):
        raise InputError(path, error)


def _refuse_wrong_pattern(pattern: str, countries: Iterable[str], path: str) -> None:
    codes = [code for name in countries if (code := country_code(name))]
    if error := pattern_error(pattern, codes):
        raise InputError(path, error)


def _own(part: OwnedPart, heading: Heading, path: str, *ignored: str) -> dict[str, Any]:
    """A row's fields. Raises InputError for the row of another company."""
    if part.company_id is not None and heading.company_id not in {None, part.company_id}:
        raise InputError(f"{path}.companyId", f"{quoted(part.company_id)} is a different company")
    return part.given("company_id", "updated_at", *ignored)


def _promotion(part: PromotionPart, heading: Heading, path: str) -> Promotion:
    kind, scope = part.type, part.scope
    if scope not in VALID_PAIRS[kind]:
        scopes = " or ".join(sorted(VALID_PAIRS[kind]))
        raise InputError(f"{path}.scope", f"{kind} requires {scopes}, not {scope}")
    for name, column in _NEEDED.get(kind, ()):
        if getattr(part, name) is None:
            raise InputError(f"{path}.{column}", f"is missing; {kind} needs it")
    targets = part.targeting.given() if part.targeting else {}
    given = {"created_at": heading.now} | part.given("targeting", "value")
    sets = {name: frozenset(ids) for name, ids in targets.items()}
    return Promotion(**given | sets, value=_value(kind, part.value, heading, f"{path}.value"))


def _value(kind: PromotionType, value: Any, heading: Heading, path: str) -> Decimal:
    """A promotion's value: a percentage or an amount, as its type says."""
    if value is None:
        if kind in _NO_VALUE:
            return Decimal(0)
        raise InputError(path, "is missing")
    try:
        if kind in PERCENTAGES:
            return read_number(value, 2, Decimal(100))
        return read_amount(value, heading.money)
    except FieldError as wrong:
        raise InputError(path, str(wrong)) from wrong


def _tax_rate(part: TaxRatePart, heading: Heading, path: str) -> TaxRate:
    _refuse_unknown_state(part.state, part.country, f"{path}.state")
    if part.zip_code is not None:
        _refuse_wrong_pattern(part.zip_code, [part.country], f"{path}.zipCode")
    given = _own(part, heading, path, "created_at", "exempt_categories")
    return TaxRate(**given, exempt_categories=frozenset(part.exempt_categories or ()))


def _zone(part: ShippingZonePart, heading: Heading, path: str) -> ShippingZone:
    countries = part.countries or ()
    for index, pattern in enumerate(part.zip_codes or ()):
        _refuse_wrong_pattern(pattern, countries, f"{path}.zipCodes[{index}]")
    for index, state in enumerate(part.states or ()):
        errors = [state_error(state, name) for name in countries]
        if errors and all(errors):
            _refuse_unknown_state(state, countries[0], f"{path}.states[{index}]")
    rows = _distinct(part.rules or (), f"{path}.rules")
    rules = tuple(_rule(row, part.id, f"{path}.rules[{index}]") for index, row in enumerate(rows))
    given = {"created_at": heading.now} | _own(part, heading, path, "description", "rules")
    return ShippingZone(**given, rules=rules)


def _rule(part: ShippingRulePart, zone: str, path: str) -> ShippingRule:
    if part.base_rate is None and part.type not in _NO_RATE:
        raise InputError(f"{path}.baseRate", f"is missing; {part.type} needs it")
    if part.shipping_zone_id not in {None, zone}:
        raise InputError(f"{path}.shippingZoneId", "is a different zone")
    _refuse_unordered(part.min_weight, part.max_weight, path, "Weight")
    _refuse_unordered(part.min_order_total, part.max_order_total, path, "OrderTotal")
    least, most = part.estimated_days_min, part.estimated_days_max
    if least is not None and most is not None and least > most:
        raise InputError(f"{path}.estimatedDaysMin", "must be less than estimatedDaysMax")
    return ShippingRule(**{"base_rate": Decimal(0)} | part.given(*_UNPRICED_OF_RULE))


def _refuse_unordered(low: Decimal | None, high: Decimal | None, path: str, name: str) -> None:
    if low is not None and high is not None and low >= high:
        raise InputError(f"{path}.min{name}", f"must be less than max{name}")
