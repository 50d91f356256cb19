"""Weights, converted exactly: a pound is 0.45359237 kg by definition, so sums of mixed units are fractions."""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

GRAMS = {
    "g": Fraction(1),
    "kg": Fraction(1000),
    "oz": Fraction("28.349523125"),
    "lb": Fraction("453.59237"),
}  # by the unit's name, in grams


@lru_cache(maxsize=65_536)
def grams(weight: Decimal, unit: str) -> tuple[int, int]:
    """A weight in grams, exactly, as numerator and denominator. Cached: products have the same weights in many carts."""
    return (Fraction(weight) * GRAMS[unit]).as_integer_ratio()


def started_units(weight: Fraction, unit: str) -> int:
    """How many units of weight are begun by so many grams."""
    each = GRAMS[unit]
    return -(-weight.numerator * each.denominator // (weight.denominator * each.numerator))


def in_unit(weight: Fraction, unit: str) -> Fraction:
    """Grams as a weight in another unit, exactly."""
    return weight / GRAMS[unit]
