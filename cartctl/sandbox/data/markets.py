"""The markets that seeded companies sell in: currency, country, tax and prices. All but the dollar's are realistic, not exact."""

from dataclasses import dataclass
from typing import Any

from cartctl.cart.pricing.money import Currency, currency

RATE = 10**6  # a tax rate of 1


@dataclass(frozen=True, slots=True)
class Market:
    """A currency with the country that its carts are shipped to, and that country's one tax.

    `tax` is the rate in millionths. `factor` is what a price of the platform's products is multiplied by.
    """

    code: str
    country: str
    tax_type: str
    tax_name: str
    tax: int
    factor: int = 1

    @property
    def money(self) -> Currency:
        """The currency and its decimals."""
        return currency(self.code)

    @property
    def unit(self) -> int:
        """The smallest amount in hundredths: 1, or 100 for a currency without decimals."""
        return 100 if self.money.decimals == 0 else 1

    @property
    def shipping(self) -> int:
        """What shipping costs, in hundredths."""
        return (490 if self.unit == 1 else 500) * self.factor

    @property
    def free_from(self) -> int:
        """The subtotal from which shipping is free, in hundredths."""
        return 7500 * self.factor

    def row(self) -> dict[str, Any]:
        """The values that SQL needs, by name."""
        return {
            "country": self.country,
            "tax_type": self.tax_type,
            "tax_name": self.tax_name,
            "rate": f"{self.tax / RATE:.6f}",
            "shipping": f"{self.shipping / 100:.2f}",
            "free_from": f"{self.free_from / 100:.2f}",
            "factor": self.factor,
        }


_USD = Market("USD", "US", "SALES_TAX", "Sales tax", 72_500)
_EUR = Market("EUR", "DE", "VAT", "VAT", 190_000)
_GBP = Market("GBP", "GB", "VAT", "VAT", 200_000)
_CAD = Market("CAD", "CA", "GST", "GST", 50_000)
_JPY = Market("JPY", "JP", "CONSUMPTION", "Consumption tax", 100_000, 100)
_KRW = Market("KRW", "KR", "VAT", "VAT", 100_000, 1000)
_CHF = Market("CHF", "CH", "VAT", "VAT", 81_000)

_PLATFORM = (_USD, _EUR, _USD, _GBP, _USD, _USD, _CAD, _EUR, _USD, _CHF)
_ADDED = (_JPY, _USD, _EUR, _USD, _KRW, _GBP, _USD, _EUR, _USD, _CAD)


def market_of(position: int, platform: int) -> Market:
    """The market of a company by its position; the first `platform` companies are the platform's own, with prices in cents."""
    known = _PLATFORM if position < platform else _ADDED
    return known[position % len(known)]
