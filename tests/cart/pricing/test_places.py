"""D8: countries, states and postal codes in any usual spelling are understood or refused, never ignored."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.cart.enums import ShippingRuleType, TaxType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.places.countries import country_code, state_code
from cartctl.cart.pricing.places.postal_codes import postal_code
from cartctl.cart.pricing.places.postal_patterns import matched, pattern_error
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import ShippingStatus, TaxStatus
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxRate
from cartctl.cart.quote_document.document_reader import read_quote

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CALIFORNIA = TaxRate("t1", "US", TaxType.SALES_TAX, "Sales tax", Decimal("0.0725"), state="CA")
REQUEST = PricingRequest(currency("USD"), NOW, (Line("l1", "p1", Decimal(100), 1),), tax_rates=(CALIFORNIA,))


@pytest.mark.parametrize(
    ("name", "code"),
    (
        ("US", "US"), (" us ", "US"), ("USA", "US"), ("840", "US"), ("United States", "US"), ("U.S.A.", "US"),
        ("united states of america", "US"), ("UK", "GB"), ("United Kingdom", "GB"), ("EL", "GR"), ("XK", "XK"),
        ("Côte d'Ivoire", "CI"), ("South Korea", "KR"), ("Jersey", "JE"),
        ("The Netherlands", "NL"), ("the Bahamas", "BS"), ("Democratic Republic of the Congo", "CD"),
        ("Virgin Islands, British", "VG"), ("British Virgin Islands", "VG"),
        ("Narnia", None), ("XX", None), ("", None), ("EU", None),
    ),
)  # fmt: skip
def test_countries_have_one_code(name: str, code: str | None) -> None:
    """A country is known by its ISO 3166 codes, its names, and the codes that tax authorities use."""
    assert country_code(name) == code


@pytest.mark.parametrize(
    ("name", "country", "code"),
    (
        ("CA", "US", "CA"), ("ca", "US", "CA"), ("US-CA", "US", "CA"), ("California", "US", "CA"), ("CALIFORNIA", "US", "CA"),
        ("AE", "US", "AE"), ("CA-ON", "US", None), ("Québec", "CA", "QC"), ("Quebec", "CA", "QC"), ("Bayern", "DE", "BY"),
        ("AA", "US", "AA"), ("Madrid", "ES", "M"), ("東京都", "JP", "13"), ("Tokyo", "JP", "13"), ("São Paulo", "BR", "SP"), ("Narnia", "US", None),
    ),
)  # fmt: skip
def test_states_have_one_code(name: str, country: str, code: str | None) -> None:
    """A state is known by its ISO 3166-2 code, with or without the country's, and by its names."""
    assert state_code(name, country) == code


@pytest.mark.parametrize(
    ("country", "one", "other"),
    (
        ("NL", "1012ab", "1012 AB"), ("IE", "a65f4e2", "A65 F4E2"), ("GR", "15124", "151 24"), ("SE", "11455", "SE-114 55"),
        ("PL", "00950", "00-950"), ("JP", "1540023", "154-0023"), ("CA", "k1a0b1", "K1A 0B1"), ("GB", "ec1y8sy", "EC1Y 8SY"),
        ("JE", "je11aa", "JE1 1AA"), ("GG", "gy1-1aa", "GY1 1AA"), ("IM", "im991ps", "IM99 1PS"), ("US", "90210-1234", "90210"),
        ("US", "902101234", "90210"), ("PT", "2725079", "2725-079"), ("BR", "40301110", "40301-110"), ("CZ", "11000", "110 00"),
        ("SK", "01001", "010 01"), ("LV", "1010", "LV-1010"), ("LU", "L-1234", "1234"), ("FR", "33 380", "33380"),
        ("JP", "\uff11\uff15\uff14\uff10\uff10\uff12\uff13", "154-0023"), ("GB", "ab12cd", "AB1 2CD"),
    ),
)  # fmt: skip
def test_spellings_of_a_postal_code_are_equal(country: str, one: str, other: str) -> None:
    """Postal codes are compared in the canonical form of their country."""
    assert postal_code(one, country) == postal_code(other, country)
    assert matched(one, postal_code(other, country), country)


def test_a_british_prefix_does_not_cross_the_space() -> None:
    """SW1 1AA is in SW1 and not in SW11; the crown dependencies' codes are alike; a space ends the district."""
    for country, code, within, outside in (
        ("GB", "sw11aa", "SW1*", "SW11*"),
        ("JE", "je11aa", "JE1 *", "JE11*"),
        ("GB", "sw111aa", "SW1*", "SW1 *"),
    ):
        assert matched(within, postal_code(code, country), country)
        assert matched(outside, postal_code(code, country), country) is None


@pytest.mark.parametrize(
    ("pattern", "countries"),
    (
        ("902??", ("US",)), ("90200-90299", ("US",)), ("90200-90299", ()), ("90200 - 90299", ()), ("902-905", ("US",)),
        ("90200..90299", ()), ("90200\u201390299", ()), ("90210,90211", ()), ("[0-9]*", ()), ("9021%", ()),
    ),
)  # fmt: skip
def test_other_wildcards_are_refused_naming_the_accepted_forms(
    pattern: str, countries: tuple[str, ...]
) -> None:
    """A pattern that would never match anything says which forms are accepted."""
    error = pattern_error(pattern, countries) or ""
    assert "use a code such as" in error
    assert "a prefix such as" in error
    assert "90200...90299" in error


@pytest.mark.parametrize(
    ("pattern", "countries"),
    (
        ("90210", ("US",)), ("902*", ("US",)), ("*", ()), ("90200...90299", ("US",)), ("90210-1234", ("US",)), ("00-950", ("PL",)),
        ("154-0023", ("JP",)), ("154-0023", ()), ("SW1 *", ("GB",)), ("SE-11*", ("SE",)), ("544", ("US",)),
    ),
)  # fmt: skip
def test_accepted_patterns(pattern: str, countries: tuple[str, ...]) -> None:
    """Codes of every country, prefixes and ranges are patterns."""
    assert pattern_error(pattern, countries) is None


DIGITS = st.text("0123456789", min_size=5, max_size=5)


@settings(deadline=None, database=None)
@given(DIGITS, DIGITS, DIGITS, st.sampled_from(["US", "SE", "PL", "GR"]))
def test_a_range_is_as_its_numbers(code: str, one: str, other: str, country: str) -> None:
    """A code of digits is in a range exactly when its number is, whatever separator the country has."""
    low, high = sorted((one, other))
    within = int(low) <= int(code) <= int(high)
    assert bool(matched(f"{low}...{high}", postal_code(code, country), country)) is within
    assert bool(matched(f"{low}*", postal_code(code, country), country)) is (code == low)


@pytest.mark.parametrize("country", ("US", "USA", "United States", "usa"))
@pytest.mark.parametrize("state", ("CA", "California", "US-CA", " ca "))
def test_the_tax_is_the_same_in_every_spelling(country: str, state: str) -> None:
    """An address and a rate that spell one place differently meet."""
    for rate in (CALIFORNIA, replace(CALIFORNIA, country=country, state=state)):
        result = price(replace(REQUEST, ship_to=Address(country, state), tax_rates=(rate,)))
        assert (result.tax_status, result.tax_total) == (TaxStatus.RESOLVED, Decimal("7.25"))


@pytest.mark.parametrize(
    ("address", "rate", "problem"),
    (
        (Address("Narnia", "CA"), CALIFORNIA, "'Narnia' is not a country: use an ISO 3166 code such as US"),
        (Address("US"), CALIFORNIA, "the tax in US depends on the state, and the address has none"),
        (Address("US", " "), CALIFORNIA, "the tax in US depends on the state, and the address has none"),
        (Address("US", "Kalifornien"), CALIFORNIA, "'Kalifornien' is not a state of US: use its name or its ISO 3166-2 code"),
        (
            Address("US", "CA"),
            replace(CALIFORNIA, country="Unted States"),
            "tax rate 'Sales tax': 'Unted States' is not a country: use an ISO 3166 code such as US",
        ),
        (
            Address("US", "CA"),
            replace(CALIFORNIA, state="Calif"),
            "tax rate 'Sales tax': 'Calif' is not a state of US: use its name or its ISO 3166-2 code",
        ),
        (Address("US", "CA", None, "90210"), replace(CALIFORNIA, zip_code="902??"), "tax rate 'Sales tax': '902??' is not a"),
    ),
)  # fmt: skip
def test_a_place_that_cannot_be_read_leaves_the_tax_unresolved(
    address: Address, rate: TaxRate, problem: str
) -> None:
    """Nothing is untaxed for a spelling: the tax is unresolved, the reason is a warning, and conversion is blocked."""
    result = price(replace(REQUEST, ship_to=address, tax_rates=(rate,)))
    assert (result.tax_status, result.tax_total) == (TaxStatus.UNRESOLVED, Decimal(0))
    [blocked] = result.blocked
    assert blocked.startswith(problem)
    assert blocked in result.warnings


def test_blank_columns_are_no_condition() -> None:
    """A rate whose state, city and postal code are blank is the country's, as one where they are null."""
    rate = replace(CALIFORNIA, state="", city="", zip_code="")
    assert price(replace(REQUEST, ship_to=Address("US"), tax_rates=(rate,))).tax_total == Decimal("7.25")


def test_a_malformed_postal_code_is_a_warning_where_rates_depend_on_it() -> None:
    """A city's tax is not lost silently for a letter O in place of a zero."""
    rates = (CALIFORNIA, replace(CALIFORNIA, id="t2", zip_code="90210", rate=Decimal("0.09")))
    result = price(replace(REQUEST, ship_to=Address("US", "CA", None, "9021O"), tax_rates=rates))
    assert result.warnings == ("'9021O' is not a valid postal code of US",)
    assert price(replace(REQUEST, ship_to=Address("US", "CA", None, "9021O"))).warnings == ()


def test_zones_match_in_every_spelling_and_name_what_they_cannot_read() -> None:
    """A zone's countries and states are compared as codes; unknown ones and invalid patterns are warnings."""
    free = (ShippingRule("r", ShippingRuleType.FREE, Decimal(0)),)
    zone = ShippingZone(
        "z", NOW, countries=("USA", "Narnia"), states=("California",), zip_codes=("902??", "902*"), rules=free
    )
    request = replace(
        REQUEST, shipping_required=True, zones=(zone,), ship_to=Address("us", "US-CA", None, "90210")
    )
    result = price(request)
    assert result.shipping_status is ShippingStatus.RESOLVED
    assert [warning.partition(":")[0] for warning in result.warnings] == ["shipping zone 'z'"] * 2
    elsewhere = price(replace(request, ship_to=Address("US", "NY", None, "90210")))
    assert elsewhere.shipping_status is ShippingStatus.UNAVAILABLE


DOCUMENT: dict[str, Any] = {
    "currency": "USD",
    "taxMode": "exclusive",
    "now": "2026-03-01T00:00:00Z",
    "lines": [{"id": "l1", "productId": "p1", "unitPrice": "1", "quantity": 1}],
}
RATE = {"id": "t", "country": "US", "taxType": "SALES_TAX", "name": "T", "rate": "0.1"}


@pytest.mark.parametrize(
    ("part", "message"),
    (
        ({"shipTo": {"country": "Narnia"}}, "shipTo.country: 'Narnia' is not a country"),
        ({"shipTo": {"country": "US", "state": "XX"}}, "shipTo.state: 'XX' is not a state of US"),
        ({"taxRates": [RATE | {"country": "Narnia"}]}, "taxRates[0].country: 'Narnia' is not a country"),
        ({"taxRates": [RATE | {"state": "CA-ON"}]}, "taxRates[0].state: 'CA-ON' is not a state of US"),
        ({"taxRates": [RATE | {"zipCode": "902??"}]}, "taxRates[0].zipCode: '902??' is not a postal code pattern: use a code"),
        ({"shippingZones": [{"id": "z", "countries": ["US", "Narnia"]}]}, "shippingZones[0].countries[1]: 'Narnia' is not a"),
        ({"shippingZones": [{"id": "z", "countries": ["US"], "states": ["XX"]}]}, "shippingZones[0].states[0]: 'XX' is not a"),
        (
            {"shippingZones": [{"id": "z", "countries": ["US"], "zipCodes": ["90200-90299"]}]},
            "shippingZones[0].zipCodes[0]: '90200-90299' is not a postal code pattern: use a code",
        ),
        (
            {"promotions": [{"id": "p", "code": "SÄVE", "type": "FREE_SHIPPING", "scope": "SHIPPING"}]},
            "promotions[0].code: must be printable ASCII characters, not 'S\\xc4VE'",
        ),
    ),
)  # fmt: skip
def test_a_document_is_refused_by_the_path_of_the_field(part: dict[str, Any], message: str) -> None:
    """What cannot be understood is refused before anything is priced."""
    with pytest.raises(InputError) as refused:
        read_quote(json.dumps(DOCUMENT | part).encode())
    assert refused.value.message.startswith(message)
