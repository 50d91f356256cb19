"""The rows of a quote that are the database's: promotions, tax rates, shipping zones and their rules, by their columns."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType, TaxType
from cartctl.cart.pricing.places.address import country_error, state_error
from cartctl.cart.pricing.places.countries import country_code
from cartctl.cart.pricing.places.postal_patterns import pattern_error
from cartctl.cart.pricing.promotions.codes import is_code
from cartctl.cart.pricing.promotions.promotion import PERCENTAGES, VALID_PAIRS, Promotion
from cartctl.cart.pricing.shipping.weights import GRAMS
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxRate
from cartctl.cart.quote_document.field_readers import (
    At,
    Field,
    amount,
    distinct,
    flag,
    many,
    moment,
    nested,
    number,
    one_of,
    record,
    remark,
    text,
    told,
    whole,
)

_INTEGER = whole(-(2**31))
_WEIGHT = number(3, Decimal("9999999.999"))
_NO_VALUE = frozenset({PromotionType.FREE_SHIPPING, PromotionType.FREE_GIFT})
_NO_RATE = frozenset({ShippingRuleType.FREE, ShippingRuleType.CALCULATED})
_NEEDED = {
    PromotionType.BUY_X_GET_Y: ("buyQuantity", "getQuantity"),
    PromotionType.FREE_GIFT: ("getProductId",),
}  # columns that are null for other types
_NAMES = many(text)

_STAMPS = {"createdAt": Field("created_at", moment), "updatedAt": Field("updated_at", moment)}
_OWNED = {"companyId": Field("company_id", text), **_STAMPS, "isActive": Field("is_active", flag)}
_TARGETS = {"productIds": Field("product_ids", _NAMES), "categoryIds": Field("category_ids", _NAMES)}


def unit(value: Any, at: At) -> str:
    """A unit of weight."""
    if not isinstance(value, str) or value not in GRAMS:
        raise at.refusal(f"must be one of {', '.join(GRAMS)}, not {told(value)}")
    return value


def _as_written(value: Any, _at: At) -> Any:
    """For a field that another one says how to read."""
    return value


def _targets(value: Any, at: At) -> dict[str, frozenset[str]]:
    return {name: frozenset(given) for name, given in record(_TARGETS, value, at).items()}


def country(value: Any, at: At) -> str:
    """A country, by its ISO 3166 code or English name."""
    name = text(value, at)
    if error := country_error(name):
        raise at.refusal(error)
    return name


def refuse_unknown_state(state: str | None, of: str, at: At) -> None:
    """Raises InputError for a state that its country does not have."""
    if state is not None and (error := state_error(state, of)):
        raise at.refusal(error)


def _code(value: Any, at: At) -> str:
    code = text(value, at)
    if not is_code(code):
        raise at.refusal(f"must be printable ASCII characters, not {told(code)}")
    return code


def _refuse_wrong_pattern(pattern: str, countries: Iterable[str], at: At) -> None:
    codes = [code for name in countries if (code := country_code(name))]
    if error := pattern_error(pattern, codes):
        raise at.refusal(error)


def _own(found: dict[str, Any], at: At, *unused: str) -> dict[str, Any]:
    """A row's attributes without those that no price depends on. Raises InputError for another company's row."""
    company = found.get("company_id")
    if company is not None and at.heading.company_id is not None and company != at.heading.company_id:
        raise at.key("companyId").refusal(f"{told(company)} is another company")
    left_out = {"company_id", "updated_at", *unused}
    return {name: value for name, value in found.items() if name not in left_out}


def _promotion(found: dict[str, Any], at: At) -> Promotion:
    kind, scope = found["type"], found["scope"]
    if scope not in VALID_PAIRS[kind]:
        scopes = " or ".join(sorted(VALID_PAIRS[kind]))
        raise at.key("scope").refusal(f"{kind} goes with {scopes}, not {scope}")
    targets = found.pop("targeting", {})
    given = {"created_at": at.heading.now} | found | targets
    for column in _NEEDED.get(kind, ()):
        if given.get(_PROMOTION[column].name) is None:
            raise at.key(column).refusal(f"is missing; {kind} needs it")
    return Promotion(**given | {"value": _value(kind, found.get("value"), at.key("value"))})


def _value(kind: PromotionType, value: Any, at: At) -> Decimal:
    """A promotion's value: a percentage or an amount, as its type says."""
    if value is None:
        if kind in _NO_VALUE:
            return Decimal(0)
        raise at.refusal("is missing")
    read = number(2, Decimal(100)) if kind in PERCENTAGES else amount
    found: Decimal = read(value, at)
    return found


def _tax_rate(found: dict[str, Any], at: At) -> TaxRate:
    exempt = frozenset(found.pop("exempt_categories", ()))
    refuse_unknown_state(found.get("state"), found["country"], at.key("state"))
    if "zip_code" in found:
        _refuse_wrong_pattern(found["zip_code"], [found["country"]], at.key("zipCode"))
    return TaxRate(**_own(found, at, "created_at"), exempt_categories=exempt)


def _rule(found: dict[str, Any], at: At) -> ShippingRule:
    if "base_rate" not in found and found["type"] not in _NO_RATE:
        raise at.key("baseRate").refusal(f"is missing; {found['type']} needs it")
    _ordered(found, at, ("minWeight", "maxWeight"), equal=False)
    _ordered(found, at, ("minOrderTotal", "maxOrderTotal"), equal=False)
    _ordered(found, at, ("estimatedDaysMin", "estimatedDaysMax"), equal=True)
    return ShippingRule(**{"base_rate": Decimal(0)} | _own(found, at, "created_at", *_SHOWN_ELSEWHERE))


def _ordered(found: Mapping[str, Any], at: At, columns: tuple[str, str], *, equal: bool) -> None:
    low, high = (found.get(_RULE[column].name) for column in columns)
    if low is not None and high is not None and (low > high or (low == high and not equal)):
        raise at.key(columns[0]).refusal(f"must be less than {columns[1]}")


def _zone(found: dict[str, Any], at: At) -> ShippingZone:
    given, inside = found.pop("rules", []), at.key("rules")
    countries, codes = found.get("countries", ()), at.key("zipCodes")
    for index, pattern in enumerate(found.get("zip_codes", ())):
        _refuse_wrong_pattern(pattern, countries, codes.item(index))
    for index, state in enumerate(found.get("states", ())):
        errors = [state_error(state, name) for name in countries]
        if errors and all(errors):
            refuse_unknown_state(state, countries[0], at.key("states").item(index))
    rules = _RULES(given, inside)
    for index, row in enumerate(given):
        if row.get("shippingZoneId") not in {None, found["id"]}:
            raise inside.item(index).key("shippingZoneId").refusal("is another zone")
    kept = {"created_at": at.heading.now} | _own(found, at, "description")
    return ShippingZone(**kept, rules=rules)


_PROMOTION = {
    "id": Field("id", text, required=True),
    "code": Field("code", _code, required=True),
    "type": Field("type", one_of(PromotionType), required=True),
    "scope": Field("scope", one_of(PromotionScope), required=True),
    "value": Field("value", _as_written),
    "minimumOrderAmount": Field("minimum_order_amount", amount),
    "maximumDiscount": Field("maximum_discount", amount),
    "buyQuantity": Field("buy_quantity", whole(1)),
    "getQuantity": Field("get_quantity", whole(1)),
    "getProductId": Field("get_product_id", text),
    "priority": Field("priority", _INTEGER),
    "stackable": Field("stackable", flag),
    "targeting": Field("targeting", _targets),
    "startsAt": Field("starts_at", moment),
    "expiresAt": Field("expires_at", moment),
    "isActive": Field("is_active", flag),
    "createdAt": Field("created_at", moment),
}

_TAX_RATE = _OWNED | {
    "id": Field("id", text, required=True),
    "country": Field("country", country, required=True),
    "state": Field("state", text),
    "city": Field("city", text),
    "zipCode": Field("zip_code", text),
    "taxType": Field("tax_type", one_of(TaxType), required=True),
    "name": Field("name", text, required=True),
    "rate": Field("rate", number(6, Decimal(1)), required=True),
    "isCompound": Field("is_compound", flag),
    "priority": Field("priority", _INTEGER),
    "exemptCategories": Field("exempt_categories", _NAMES),
}

_SHOWN_ELSEWHERE = (
    "description",
    "carrier",
    "service_code",
    "estimated_days_min",
    "estimated_days_max",
    "shipping_zone_id",
)  # attributes of a rule that no price depends on

_RULE = _STAMPS | {
    "id": Field("id", text, required=True),
    "shippingZoneId": Field("shipping_zone_id", text),
    "name": Field("name", text),
    "description": Field("description", remark),
    "carrier": Field("carrier", remark),
    "serviceCode": Field("service_code", remark),
    "type": Field("type", one_of(ShippingRuleType), required=True),
    "baseRate": Field("base_rate", amount),
    "perItemRate": Field("per_item_rate", amount),
    "perWeightUnitRate": Field("per_weight_unit_rate", amount),
    "weightUnit": Field("weight_unit", unit),
    "freeShippingThreshold": Field("free_shipping_threshold", amount),
    "minWeight": Field("min_weight", _WEIGHT),
    "maxWeight": Field("max_weight", _WEIGHT),
    "minOrderTotal": Field("min_order_total", amount),
    "maxOrderTotal": Field("max_order_total", amount),
    "estimatedDaysMin": Field("estimated_days_min", whole(0)),
    "estimatedDaysMax": Field("estimated_days_max", whole(0)),
    "sortOrder": Field("sort_order", _INTEGER),
    "isActive": Field("is_active", flag),
    "quote": Field("quote", amount),
}

_ZONE = _OWNED | {
    "id": Field("id", text, required=True),
    "name": Field("name", text),
    "description": Field("description", remark),
    "countries": Field("countries", many(country)),
    "states": Field("states", _NAMES),
    "zipCodes": Field("zip_codes", _NAMES),
    "priority": Field("priority", _INTEGER),
    "rules": Field("rules", _as_written),
}

_RULES = distinct(nested(_RULE, _rule))

PROMOTIONS = distinct(nested(_PROMOTION, _promotion))
TAX_RATES = distinct(nested(_TAX_RATE, _tax_rate))
ZONES = distinct(nested(_ZONE, _zone))
