"""Money (D2): amounts come and go as Decimal and are whole minor units in between, so that only `q` ever rounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

from cartctl.cart.errors import InputError, OutOfRange
from cartctl.cart.pricing.currencies import DECIMALS

_EXACT = Context(prec=400)  # the default context would round the 29th digit without a word
_UNITS = {0: Decimal(1), 2: Decimal("0.01")}  # one minor unit, by the currency's decimals
CACHED = 65_536  # amounts
LARGEST = Decimal("9999999999.99")  # NUMERIC(12,2), the columns that amounts end in
MOST_UNITS = 2**31 - 1  # INTEGER, the columns that quantities and counts end in


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and its decimals: 0 or 2."""

    code: str
    decimals: int

    def minor(self, amount: Decimal) -> int:
        """An amount as whole minor units. Raises ValueError if it has more decimals."""
        units = _minor(amount, self.decimals)
        if units is None:
            raise ValueError(f"{amount} has more decimals than {self.code}")
        return units

    def holds(self, amount: Decimal | None) -> bool:
        """Whether an amount is not negative and has no more decimals than the currency; true for None."""
        return amount is None or (amount >= 0 and _minor(amount, self.decimals) is not None)

    def amount(self, units: int) -> Decimal:
        """Whole minor units as an amount, always with the currency's decimals."""
        return _AMOUNTS[self.decimals][units]

    def amounts(self, units: Iterable[int]) -> list[Decimal]:
        """Several amounts at once, which is cheaper."""
        return list(map(_AMOUNTS[self.decimals].__getitem__, units))


class _Amounts(dict[int, Decimal]):
    """Amounts by their minor units, kept since the same come again and again: a dictionary is the cheapest cache."""

    def __init__(self, unit: Decimal) -> None:
        self.unit = unit

    def __missing__(self, units: int) -> Decimal:
        if len(self) >= CACHED:
            self.clear()
        amount = self[units] = _EXACT.multiply(self.unit, units)
        return amount


_AMOUNTS = {decimals: _Amounts(unit) for decimals, unit in _UNITS.items()}


@lru_cache(maxsize=CACHED)
def _minor(amount: Decimal, decimals: int) -> int | None:
    """An amount as whole minor units, exactly; None when it is finer. Cached: the same prices come again and again."""
    numerator, denominator = amount.as_integer_ratio()
    units, finer = divmod(numerator * 10**decimals, denominator)
    return None if finer else int(units)


def currency(code: str) -> Currency:
    """The currency of an ISO 4217 code. Raises InputError for one that is unknown or has other than 0 or 2 decimals."""
    decimals = DECIMALS.get(code)
    if decimals is None:
        raise InputError("currency", f"unknown currency {code!a}", hint="Use an ISO 4217 code such as USD.")
    if decimals not in _UNITS:
        raise InputError("currency", f"{code} has {decimals} decimals; only 0 and 2 are supported")
    return Currency(code, decimals)


def refuse_too_many(units: int) -> None:
    """Raises OutOfRange for more units than a column holds."""
    if units > MOST_UNITS:
        raise OutOfRange("lines", f"must not have more than {MOST_UNITS} units, but have {units}")


def q(numerator: int, denominator: int = 1) -> int:
    """An exact, non-negative fraction of minor units, rounded half up to whole ones (D2)."""
    return (2 * numerator + denominator) // (2 * denominator)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split minor units by weights, so that the shares add up to `total` (D2).

    Exact shares are floored; the units left over go to the largest remainders, ties to the earlier line. A weight of 0
    gets nothing. Raises ValueError for something to split and nothing to split it by.
    """
    whole = sum(weights)
    if whole <= 0:
        if total:
            raise ValueError(f"{total} units cannot be split: all weights are zero")
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    if not left:
        return parts
    remainders = [total * weight % whole for weight in weights]
    largest = sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)  # stable: the earlier line
    for index in largest[:left]:
        parts[index] += 1
    return parts
