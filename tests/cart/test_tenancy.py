"""D12: another company's things do not exist."""

from datetime import UTC, datetime, timedelta

import pytest

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import NotFound
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.tenancy import of_company

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_is_anothers_is_not_there() -> None:
    """D12: another company's cart and no cart at all are told in the same words."""
    cart = Cart("k1", "c1", CartStatus.ACTIVE, "USD", 0, NOW, NOW)
    assert of_company(cart, "c1", "cart k1") is cart
    messages = []
    for company, result in (("c2", cart), ("c1", None)):
        with pytest.raises(NotFound) as refused:
            of_company(result, company, "cart k1")
        messages.append((refused.value.message, refused.value.code))
    assert messages == [("Cart k1 not found.", "NOT_FOUND")] * 2
