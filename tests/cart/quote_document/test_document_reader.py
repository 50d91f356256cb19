"""What a quote refuses: the path of the field, exit code 2, and nothing priced."""

import json
from typing import Any

import pytest

from cartctl.cart.enums import PromotionType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.calculation import price
from cartctl.cart.quote_document.document_reader import LARGEST_DOCUMENT, quote_schema, read_quote
from tests.cart.pricing.cases import completed

LINE = {"unitPrice": "10"}
OFF = {"type": "PERCENTAGE_OFF", "scope": "CART", "value": "10"}
RATE = {"rate": "0.1"}
RULE = {"type": "FLAT_RATE", "baseRate": "5"}
MISSING = object()  # a field that is taken out


def document(**changed: Any) -> dict[str, Any]:
    """A valid document with other values at its top."""
    whole = completed(
        {
            "companyId": "c1",
            "lines": [LINE, LINE],
            "promotions": [OFF],
            "taxRates": [RATE],
            "shippingZones": [{"rules": [RULE]}],
        }
    )
    return {name: value for name, value in (whole | changed).items() if value is not MISSING}


def read(whole: Any) -> Any:
    """Read and price a document."""
    return price(read_quote(json.dumps(whole).encode()))


def line(**changed: Any) -> dict[str, Any]:
    """A document whose second line is changed."""
    lines = document()["lines"]
    lines[1] = {name: value for name, value in (lines[1] | changed).items() if value is not MISSING}
    return document(lines=lines)


def row(part: str, **changed: Any) -> dict[str, Any]:
    """A document whose first promotion, rate or zone is changed."""
    rows = document()[part]
    rows[0] = {name: value for name, value in (rows[0] | changed).items() if value is not MISSING}
    return document(**{part: rows})


def rule(**changed: Any) -> dict[str, Any]:
    """A document whose shipping rule is changed."""
    return row("shippingZones", rules=[document()["shippingZones"][0]["rules"][0] | changed])


REFUSED: tuple[tuple[str, Any, str], ...] = (
    ("", [], "The document must be an object, not a list."),
    ("", 1, "The document must be an object, not 1."),
    ("currency", document(currency=MISSING), "is missing"),
    ("currency", document(currency="XXX"), "unknown currency 'XXX'"),
    ("currency", document(currency="usd"), "unknown currency 'usd'"),
    ("currency", document(currency="KWD"), "KWD has 3 decimals; only 0 and 2 are supported"),
    ("currency", document(currency=1.5), "must be text, not 1.5"),
    ("taxMode", document(taxMode=MISSING), "is missing"),
    ("taxMode", document(taxMode="net"), "must be one of exclusive, inclusive, not 'net'"),
    ("taxRounding", document(taxRounding=["per_line"]), "must be one of per_line, per_total, not a list"),
    ("taxShipping", document(taxShipping="no"), "must be true or false, not 'no'"),
    ("now", document(now=MISSING), "is missing"),
    ("now", document(now="yesterday"), "must be a time such as 2026-01-31T12:00:00Z, not 'yesterday'"),
    ("now", document(now=0), "must be text, not 0"),
    ("grandTotal", document(grandTotal="1"), "unknown key"),
    ("''", document(**{"": "1"}), "unknown key"),
    ("lines[1].''", line(**{"": "1"}), "unknown key"),
    ("shipTo", document(shipTo="US"), "must be an object, not 'US'"),
    ("shipTo.country", document(shipTo={"city": "Berlin"}), "is missing"),
    ("shipTo.zip", document(shipTo={"country": "US", "zip": "1"}), "unknown key"),
    ("stock", document(stock=[]), "must be an object, not a list"),
    ("stock.p1", document(stock={"p1": -1}), "must be from 0 to 2147483647"),
    ("stock.p1", document(stock={"p1": None}), "must be a whole number, not null"),
    ("lines[0]", document(lines=[None]), "must be an object, not null"),
    ("promotions[0].targeting.productIds[0]", row("promotions", targeting={"productIds": [None]}), "must be text, not null"),
    ("lines", document(lines=MISSING), "is missing"),
    ("lines", document(lines={}), "must be a list, not an object"),
    ("lines[0]", document(lines=["x"]), "must be an object, not 'x'"),
    ("lines[1].unitPrice", line(unitPrice=12.49), 'must be text such as "12.49": 12.49 is a float'),
    ("lines[1].unitPrice", line(unitPrice=12), 'must be text such as "12.49", not 12'),
    ("lines[1].unitPrice", line(unitPrice=True), 'must be text such as "12.49", not true'),
    ("lines[1].unitPrice", line(unitPrice=MISSING), "is missing"),
    ("lines[1].unitPrice", line(unitPrice="-0.01"), "must not be negative"),
    ("lines[1].unitPrice", line(unitPrice="1.005"), "must have at most 2 decimals"),
    ("lines[1].unitPrice", line(unitPrice="10000000000.00"), "must not be more than 9999999999.99"),
    ("lines[1].unitPrice", line(unitPrice="1e3"), 'must be a plain number such as "12.49", not \'1e3\''),
    ("lines[1].unitPrice", line(unitPrice="NaN"), 'must be a plain number such as "12.49", not \'NaN\''),
    ("lines[1].unitPrice", line(unitPrice="1,50"), 'must be a plain number such as "12.49", not \'1,50\''),
    ("lines[1].unitPrice", line(unitPrice=""), 'must be a plain number such as "12.49", not \'\''),
    ("lines[1].unitPrice", line(unitPrice="٣"), 'must be a plain number such as "12.49", not \'\\u0663\''),
    ("lines[1].unitPrice", line(unitPrice="0" * 50), "has too many digits"),
    ("lines[1].quantity", line(quantity=0), "must be from 1 to 2147483647"),
    ("lines[1].quantity", line(quantity=-1), "must be from 1 to 2147483647"),
    ("lines[1].quantity", line(quantity=2**31), "must be from 1 to 2147483647"),
    ("lines[1].quantity", line(quantity="1"), "must be a whole number, not '1'"),
    ("lines[1].quantity", line(quantity=1.0), "must be a whole number, not 1.0"),
    ("lines[1].quantity", line(quantity=True), "must be a whole number, not true"),
    ("lines[1].weight", line(weight=1.5), 'must be text such as "12.49": 1.5 is a float'),
    ("lines[1].weight", line(weight=10**30), "must not be more than 10000000"),
    ("lines[1].weightUnit", line(weightUnit="stone"), "must be one of g, kg, oz, lb, not 'stone'"),
    ("lines[1].id", line(id="l1"), "'l1' is repeated"),
    ("lines[1].id", line(id=7), "must be text, not 7"),
    ("lines[1].id", line(id="  "), "must have 1 to 500 characters"),
    ("lines[1].productId", line(productId="x" * 501), "must have 1 to 500 characters"),
    ("lines[1].productId", line(productId="\ud800"), "contains an invalid character"),
    ("lines[1].unitprice", line(unitprice="1"), "unknown key"),
    ("promotions[0].scope", row("promotions", scope="SHIPPING", type="FREE_GIFT"), "FREE_GIFT requires CART, not SHIPPING"),
    ("promotions[0].scope", row("promotions", type="FREE_SHIPPING"), "FREE_SHIPPING requires SHIPPING, not CART"),
    ("promotions[0].scope", row("promotions", type="BUY_X_GET_Y"), "BUY_X_GET_Y requires CATEGORY or PRODUCT, not CART"),
    ("promotions[0].type", row("promotions", type="HALF"), "must be one of PERCENTAGE_OFF, FIXED_AMOUNT_OFF, BUY_X_GET_Y, FREE_SHIPPING, FREE_GIFT, not 'HALF'"),
    ("promotions[0].value", row("promotions", value="100.01"), "must not be more than 100"),
    ("promotions[0].value", row("promotions", value="-1"), "must not be negative"),
    ("promotions[0].value", row("promotions", value=7.5), 'must be text such as "12.49": 7.5 is a float'),
    ("promotions[0].value", row("promotions", value=MISSING), "is missing"),
    ("promotions[0].buyQuantity", row("promotions", type="BUY_X_GET_Y", scope="PRODUCT", getQuantity=1), "is missing; BUY_X_GET_Y needs it"),
    ("promotions[0].getQuantity", row("promotions", type="BUY_X_GET_Y", scope="PRODUCT", buyQuantity=1), "is missing; BUY_X_GET_Y needs it"),
    ("promotions[0].getProductId", row("promotions", type="FREE_GIFT"), "is missing; FREE_GIFT needs it"),
    ("promotions[0].targeting.skus", row("promotions", targeting={"skus": []}), "unknown key"),
    ("promotions[0].targeting.productIds[1]", row("promotions", targeting={"productIds": ["a", 1]}), "must be text, not 1"),
    ("promotions[0].maximumDiscount", row("promotions", maximumDiscount="-1"), "must not be negative"),
    ("promotions[0].startsAt", row("promotions", startsAt="2026-13-01"), "must be a time such as 2026-01-31T12:00:00Z, not '2026-13-01'"),
    ("promotions[1].id", document(promotions=[*document()["promotions"]] * 2), "'P1' is repeated"),
    ("taxRates[0].rate", row("taxRates", rate="7.25"), "must not be more than 1"),
    ("taxRates[0].rate", row("taxRates", rate=0.0725), 'must be text such as "12.49": 0.0725 is a float'),
    ("taxRates[0].rate", row("taxRates", rate="0.1234567"), "must have at most 6 decimals"),
    ("taxRates[0].taxType", row("taxRates", taxType="TAX"), "must be one of SALES_TAX, VAT, GST, HST, PST, CONSUMPTION, not 'TAX'"),
    ("taxRates[0].companyId", row("taxRates", companyId="c2"), "'c2' is a different company"),
    ("taxRates[0].exemptCategories", row("taxRates", exemptCategories="food"), "must be a list, not 'food'"),
    ("shippingZones[0].companyId", row("shippingZones", companyId="c2"), "'c2' is a different company"),
    ("shippingZones[0].zipCodes[0]", row("shippingZones", zipCodes=["10*...19999"]), "a range must not contain a wildcard"),
    ("shippingZones[0].zipCodes[0]", row("shippingZones", zipCodes=["10000...1999*"]), "a range must not contain a wildcard"),
    ("shippingZones[0].zipCodes[1]", row("shippingZones", zipCodes=["1*", "*1"]), "a wildcard must be at the end"),
    ("shippingZones[0].zipCodes[0]", row("shippingZones", zipCodes=["1**"]), "a wildcard must be at the end"),
    ("shippingZones[0].zipCodes[0]", row("shippingZones", zipCodes=["A1...A9"]), "a range is two numbers, such as 10000...19999"),
    ("shippingZones[0].zipCodes[0]", row("shippingZones", zipCodes=["2...1"]), "the range ends before it begins"),
    ("shippingZones[0].rules[0].baseRate", rule(baseRate=5.0), 'must be text such as "12.49": 5.0 is a float'),
    ("shippingZones[0].rules[0].baseRate", rule(baseRate=None), "is missing; FLAT_RATE needs it"),
    ("shippingZones[0].rules[0].minWeight", rule(minWeight="2", maxWeight="2"), "must be less than maxWeight"),
    ("shippingZones[0].rules[0].minOrderTotal", rule(minOrderTotal="3", maxOrderTotal="2"), "must be less than maxOrderTotal"),
    ("shippingZones[0].rules[0].shippingZoneId", rule(shippingZoneId="z2"), "is a different zone"),
    ("shippingZones[0].rules[0].weightUnit", rule(weightUnit="kgs"), "must be one of g, kg, oz, lb, not 'kgs'"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "whole", "why"), REFUSED, ids=[f"{number}-{case[0]}" for number, case in enumerate(REFUSED)]
)
def test_what_is_wrong_is_refused_by_its_path(path: str, whole: Any, why: str) -> None:
    """The error names the field and says what is wrong with it."""
    with pytest.raises(InputError) as refused:
        read(whole)
    assert refused.value.message == (f"{path}: {why}" if path else why)
    assert refused.value.code == "INVALID_INPUT"


def test_rows_of_two_companies_are_refused() -> None:
    """D12: also where the document names no company, all of its rows are one company's."""
    whole = row("taxRates", companyId="c1") | {"companyId": None}
    read(whole)
    whole["shippingZones"][0]["companyId"] = "c2"
    with pytest.raises(InputError, match=r"^shippingZones\[0\]\.companyId: 'c2' is a different company$"):
        read(whole)


def test_a_finer_amount_than_the_currency_has_is_refused() -> None:
    """A yen has no decimals, but zeros are none."""
    read(
        document(
            currency="JPY", lines=[LINE | {"id": "a", "productId": "p", "quantity": 1, "unitPrice": "100.00"}]
        )
    )
    with pytest.raises(InputError, match=r"^lines\[1\]\.unitPrice: JPY has 0 decimals"):
        read(line(unitPrice="100.50") | {"currency": "JPY"})


def test_totals_that_no_column_holds_are_refused() -> None:
    """Neither a line nor a cart nor its taxes may cost more than NUMERIC(12,2) holds."""
    for wrong in (
        line(unitPrice="9999999999.99", quantity=2),
        row("taxRates", rate="1") | {"lines": line(unitPrice="9999999999.99")["lines"]},
    ):
        with pytest.raises(InputError, match="costs more than"):
            read(wrong)
    with pytest.raises(InputError, match="lines: must not have more than 2147483647 units"):
        read(line(unitPrice="0", quantity=2**31 - 1))


@pytest.mark.parametrize(
    ("given", "why"),
    (
        (b"{", "The document is not JSON: "),
        (b"", "The document is not JSON: "),
        (b'{"a": 1} x', "The document is not JSON: Extra data in line 1, column 10."),
        (b"\xff", "The document is not UTF-8: byte 0."),
        (b'{"now": 1, "now": 2}', "The document repeats the key 'now' in one object."),
        (b'{"stock": {"\\ud800": 1}}', "The document has the key '\\ud800' with an invalid character."),
        (b"[" * 100_000, "The document is nested too deeply."),
        (b" " * (LARGEST_DOCUMENT + 1), "The document is larger than 1048576 bytes."),
    ),
)  # fmt: skip
def test_what_is_no_document_is_refused(given: bytes, why: str) -> None:
    """Broken JSON, broken text, double keys, depth and size are each told."""
    with pytest.raises(InputError) as refused:
        read_quote(given)
    assert refused.value.message.startswith(why)


@pytest.mark.parametrize("number", ("9" * 5000, "1e400", "NaN", "Infinity", "-0.0"))
def test_odd_numbers_are_refused_where_they_stand(number: str) -> None:
    """No number of JSON, however odd, is more than a refusal."""
    whole = json.dumps(document()).replace('"quantity": 1', f'"quantity": {number}', 1)
    with pytest.raises(InputError, match=r"^lines\[0\]\.quantity: must be a whole number"):
        read_quote(whole.encode())


def test_too_many_lines_are_refused() -> None:
    """10,000 lines are read, one more is not, and a document of the largest size is no work."""
    small = {"id": "x", "productId": "p", "unitPrice": "1", "quantity": 1}
    with pytest.raises(InputError, match="lines: must not have more than 10000 items, but has 10001"):
        read(document(lines=[small] * 10_001))


def test_a_close_key_is_suggested() -> None:
    """A key that is misspelt is answered with the one that was meant."""
    with pytest.raises(InputError) as refused:
        read(line(unitprice="1"))
    assert refused.value.hint == "Did you mean unitPrice?"


def test_null_is_as_good_as_missing() -> None:
    """Optional fields take their default for null too."""
    nothing = dict.fromkeys(("variantId", "category", "weight", "weightUnit"))
    assert read(line(**nothing)) == read(line(**dict.fromkeys(nothing, MISSING)))
    read(row("promotions", targeting=None, priority=None, stackable=None, isActive=None, createdAt=None))
    read(row("shippingZones", countries=None, states=None, zipCodes=None, rules=None))
    read(document(shipTo=None, stock=None, promotions=None, taxRates=None, shippingZones=None))


def test_every_column_of_the_tables_is_known() -> None:
    """A row as the database has it is read whole."""
    read(
        row(
            "taxRates", companyId="c1", state=None, city=None, zipCode=None, isCompound=False, priority=0,
            exemptCategories=[], isActive=True, createdAt="2026-01-01T00:00:00.123", updatedAt="2026-01-01T00:00:00",
        )
    )  # fmt: skip
    read(
        row(
            "shippingZones", companyId="c1", description="", countries=[], states=[], zipCodes=[], priority=-1,
            isActive=True, createdAt="2026-01-01T00:00:00", updatedAt="2026-01-01T00:00:00",
        )
    )  # fmt: skip
    read(
        rule(
            shippingZoneId="z1", description=None, carrier="", serviceCode="x", perItemRate="0", perWeightUnitRate=None,
            weightUnit="lb", freeShippingThreshold="1", minWeight="0", maxWeight="1.5", minOrderTotal="0",
            maxOrderTotal="5", estimatedDaysMin=3, estimatedDaysMax=3, sortOrder=-1, isActive=True, quote="1",
            createdAt="2026-01-01T00:00:00", updatedAt="2026-01-01T00:00:00",
        )
    )  # fmt: skip


def test_the_schema_has_every_field_with_its_meaning() -> None:
    """The JSON Schema forbids unknown keys, requires what the reader requires, and describes each field."""
    schema = quote_schema()
    assert schema["required"] == ["currency", "taxMode", "now", "lines"]
    assert schema["$defs"]["LinePart"]["required"] == ["id", "productId", "unitPrice", "quantity"]
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        assert all(field["description"].endswith(".") for field in part["properties"].values())
    kinds = schema["$defs"]["PromotionPart"]["properties"]["type"]["enum"]
    assert kinds == [kind.value for kind in PromotionType]


@pytest.mark.parametrize("path", ("lines", "promotions[0].id", "taxRates[0].country"))
def test_null_is_missing_where_a_value_is_required(path: str) -> None:
    """A required field is not there when it is null, whatever its type."""
    whole = document()
    if path == "lines":
        whole["lines"] = None
    else:
        part, _, key = path.partition("[0].")
        whole[part][0][key] = None
    with pytest.raises(InputError) as refused:
        read(whole)
    assert refused.value.message == f"{path}: is missing"


def test_an_unknown_key_is_named_before_what_it_left_missing() -> None:
    """A misspelt key explains why the right one is missing."""
    whole = line(unitPrice=MISSING, unitprice="1")
    with pytest.raises(InputError, match=r"^lines\[1\]\.unitprice: unknown key$"):
        read(whole)
    rules = rule(baserate="1")
    with pytest.raises(InputError) as refused:
        read(rules)
    assert refused.value.hint == "Did you mean baseRate?"
