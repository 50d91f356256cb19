"""Postal codes in their canonical form, and the patterns that match them (D8)."""

import re
from functools import lru_cache

_SPACE_BEFORE_LAST = 3
_SPACED = {"GB": range(5, 8), "CA": range(6, 7)}  # country → lengths, without the space, of a whole code
_ZIP = re.compile(r"(\d{5})[- ]?\d{4}", re.ASCII)
_RANGE = re.compile(r"(\d+)\.\.\.(\d+)", re.ASCII)


@lru_cache(maxsize=1024)
def canonical(code: str, country: str) -> str:
    """A postal code upper-case, with the canonical space in GB and CA, and five digits in the US."""
    code = " ".join(code.upper().split())
    country = country.strip().upper()
    if country == "US" and (extended := _ZIP.fullmatch(code)):
        return extended[1]
    joined = code.replace(" ", "")
    if len(joined) in _SPACED.get(country, ()):
        return f"{joined[:-_SPACE_BEFORE_LAST]} {joined[-_SPACE_BEFORE_LAST:]}"
    return code


def wrong_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, or None: an exact code, a prefix and `*`, or a numeric range `a...b`."""
    text = pattern.strip()
    if not text:
        return "must not be empty"
    if "..." in text:
        if "*" in text:
            return "a wildcard does not go inside a range"
        ends = _RANGE.fullmatch("".join(text.split()))
        if ends is None:
            return "a range is two numbers, such as 10000...19999"
        return "the range ends before it begins" if int(ends[1]) > int(ends[2]) else None
    return "a wildcard stands at the end" if "*" in text[:-1] else None


def matched(pattern: str, code: str, country: str) -> tuple[int, int] | None:
    """How closely a pattern matches a canonical code, the closest being the largest, or None.

    First the length of what it fixes: all of the code, the prefix, or the digits of a range's ends; then exact before
    range before prefix.
    """
    text = " ".join(pattern.upper().split())
    if text.endswith("*"):
        return (len(text) - 1, 0) if code.startswith(text[:-1]) else None
    if ends := _RANGE.fullmatch(text.replace(" ", "")):
        within = code.isascii() and code.isdigit() and int(ends[1]) <= int(code) <= int(ends[2])
        return (len(ends[2]), 1) if within else None
    return (len(code), 2) if canonical(pattern, country) == code else None
