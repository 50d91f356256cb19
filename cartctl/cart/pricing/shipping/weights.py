"""Weights, converted exactly: a pound is 0.45359237 kg by definition, so sums of mixed units are fractions."""

from decimal import Decimal
from fractions import Fraction

GRAMS = {
    "g": Fraction(1),
    "kg": Fraction(1000),
    "oz": Fraction("28.349523125"),
    "lb": Fraction("453.59237"),
}  # by the unit's name, in grams


def grams(weight: Decimal, unit: str) -> Fraction:
    """A weight in grams, exactly."""
    return Fraction(weight) * GRAMS[unit]


def in_unit(weight: Fraction, unit: str) -> Fraction:
    """Grams as a weight in another unit, exactly."""
    return weight / GRAMS[unit]
