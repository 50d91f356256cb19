"""Type families: which column types of another tool hold what the cart reads and writes, and what a narrower one refuses. Pure."""

import re

FAMILIES = {
    "text": re.compile(r"text|character varying(\(\d+\))?"),
    "text[]": re.compile(r"(text|character varying(\(\d+\))?)\[\]"),
    "integer": re.compile(r"smallint|integer|bigint"),
    "timestamp(3) without time zone": re.compile(r"timestamp(\([0-6]\))? without time zone"),
}
CENTS = 2  # decimals that amounts and rates need at least
_NUMERIC = re.compile(r"numeric(?:\((\d+),(-?\d+)\))?")
_TIMESTAMP = re.compile(r"timestamp\((\d)\) without time zone")
_MILLISECONDS = 3  # digits of a second


def fits(required: str, actual: str) -> bool:
    """Whether a type is of the required one's family, so that the cart's code works with it.

    NUMERIC may have another precision, with two decimals at least; TEXT may be VARCHAR of any length; INTEGER another
    width; TIMESTAMP another precision, without a zone. Everything else is exact.
    """
    if required.startswith("numeric("):
        number = _NUMERIC.fullmatch(actual)
        return number is not None and (number[2] is None or int(number[2]) >= CENTS)
    family = FAMILIES.get(required)
    return family.fullmatch(actual) is not None if family else actual == required


def narrowing(required: str, actual: str) -> str | None:
    """What a compatible type cannot store that the required one can, as a consequence; None without a loss.

    The length of a VARCHAR is the application's own rule and does not count as narrower.
    """
    if required.startswith("numeric("):
        return "; ".join(_less_precise(required, actual)) or None
    if required == "integer" and actual == "smallint":
        return "numbers above 32767 are refused"
    precision = _TIMESTAMP.fullmatch(actual)
    if precision and int(precision[1]) < _MILLISECONDS:
        return f"times are rounded to {precision[1]} digits of a second"
    return None


def _less_precise(required: str, actual: str) -> list[str]:
    wide, narrow = _NUMERIC.fullmatch(required), _NUMERIC.fullmatch(actual)
    if wide is None or narrow is None or narrow[1] is None:
        return []
    (digits, scale), (own_digits, own_scale) = (tuple(map(int, each.groups())) for each in (wide, narrow))
    lacks = []
    if own_digits - own_scale < digits - scale:
        lacks.append(f"{10 ** max(own_digits - own_scale, 0)} and more is refused")
    if own_scale < scale:
        lacks.append(f"values are rounded to {own_scale} decimals")
    return lacks
