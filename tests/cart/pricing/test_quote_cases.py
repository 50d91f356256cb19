"""Each rule that prices a cart, by cases that name it."""

import json
from typing import Any

import pytest

from cartctl.cart.pricing.quote import quote
from cartctl.cart.quote_document.document_reader import read_quote
from tests.cart.pricing.cases import cases, differences, short

ALL = cases("worked", "d2_d3", "d4_d5", "d6", "d8_tax", "d8_zones", "d8_rules", "mixed")


@pytest.mark.parametrize(("document", "expected"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_a_cart_costs_what_the_rules_say(document: dict[str, Any], expected: dict[str, Any]) -> None:
    """The answer to a document is what its rule says, to the minor unit."""
    answer = short(dict(quote(read_quote(json.dumps(document).encode()))))
    assert not differences(expected, answer)
