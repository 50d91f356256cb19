"""How many carts one core prices in a second: 20 lines, 5 promotions, 3 taxes, shipping by weight.

Run: python benchmarks/quote.py [seconds]. The aim is 3,000 per second. Time is the process's own, so other programs on
the machine do not count; `read and price` begins at the document's bytes, as `cartctl cart quote` does.
"""

import json
import sys
import time
from collections.abc import Callable

from cartctl.cart.pricing.calculation import price
from cartctl.cart.quote_document.document_reader import read_quote

AIM = 3_000  # carts per second and core
CATEGORIES = ("food", "books", "toys")


def document() -> bytes:
    """A cart in which every promotion and rate has something to do."""
    lines = [
        {
            "id": f"line-{n:02}",
            "productId": f"product-{n:02}",
            "category": CATEGORIES[n % 3],
            "unitPrice": f"{3 + n}.{n * 37 % 100:02}",
            "quantity": 1 + n % 4,
            "weight": "0.350",
            "weightUnit": ("kg", "lb")[n % 2],
        }
        for n in range(20)
    ]
    promotions = [
        {"type": "PERCENTAGE_OFF", "scope": "PRODUCT", "value": "15", "targeting": {"categoryIds": ["food"]}},
        {"type": "BUY_X_GET_Y", "scope": "CATEGORY", "value": "50", "buyQuantity": 2, "getQuantity": 1},
        {"type": "FIXED_AMOUNT_OFF", "scope": "CART", "value": "11.00"},
        {"type": "PERCENTAGE_OFF", "scope": "CART", "value": "7.5", "maximumDiscount": "30.00"},
        {"type": "FREE_SHIPPING", "scope": "SHIPPING", "value": "0", "minimumOrderAmount": "20.00"},
    ]
    taxes = [
        {"taxType": "SALES_TAX", "name": "State", "state": "CA", "rate": "0.0725"},
        {"taxType": "GST", "name": "Federal", "rate": "0.05", "priority": 1},
        {"taxType": "PST", "name": "Local", "rate": "0.08", "priority": 2, "isCompound": True, "exemptCategories": ["food"]},
    ]  # fmt: skip
    zone = {
        "id": "z",
        "name": "West",
        "countries": ["US"],
        "zipCodes": ["902*"],
        "rules": [
            {"id": "r1", "name": "Ground", "type": "WEIGHT_BASED", "baseRate": "4.00", "perWeightUnitRate": "0.50"},
            {"id": "r2", "name": "Parcel", "type": "FLAT_RATE", "baseRate": "9.00"},
        ],
    }  # fmt: skip
    whole = {
        "currency": "USD",
        "taxMode": "exclusive",
        "taxRounding": "per_line",
        "taxShipping": False,
        "now": "2026-03-01T12:00:00Z",
        "shipTo": {"country": "US", "state": "CA", "city": "Beverly Hills", "postalCode": "90210"},
        "shippingRequired": True,
        "lines": lines,
        "promotions": [
            {"id": f"p{n}", "code": f"CODE{n}", "stackable": n < 3} | row for n, row in enumerate(promotions)
        ],
        "taxRates": [{"id": f"t{n}", "country": "US"} | row for n, row in enumerate(taxes)],
        "shippingZones": [zone],
    }
    return json.dumps(whole).encode()


def rate(act: Callable[[], object], seconds: float) -> float:
    """How often something can be done in a second of processor time."""
    under_way, done = time.process_time(), 0
    while (spent := time.process_time() - under_way) < seconds:
        act()
        done += 1
    return done / spent


def main() -> int:
    """Print both rates; 1 when the aim is missed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    given = document()
    request = read_quote(given)
    priced = rate(lambda: price(request), seconds)
    whole = rate(lambda: price(read_quote(given)), seconds)
    print(f"price:          {priced:6.0f} carts per second and core (aim: {AIM})")
    print(f"read and price: {whole:6.0f} carts per second and core")
    return 0 if priced >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
