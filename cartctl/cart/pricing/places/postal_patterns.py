"""Patterns of postal codes (D8), the same for shipping zones and tax rates: a code, a prefix and `*`, a range `a...b`."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from cartctl.cart.pricing.places.postal_codes import UK_STYLE, PostalCode, example, postal_code, separated

_RANGE = re.compile(r"(\d+)\.\.\.(\d+)", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 -]*[A-Za-z0-9])?", re.ASCII)
_LIKE_A_RANGE = re.compile(r"\d+ *- *\d+", re.ASCII)

Closeness = tuple[int, int]
"""How closely a pattern matches, the largest being the closest: the number of characters it fixes, then its kind."""

_PREFIX, _WHOLE_PREFIX, _WITHIN, _EXACT = range(4)


def pattern_error(pattern: str, countries: Iterable[str] = ()) -> str | None:
    """What is wrong with a pattern, naming the accepted forms, or None. `countries` are ISO codes, where known."""
    text = _plain(pattern)
    if not text:
        return "must not be empty"
    if "..." in text:
        return _range_error(text)
    code = text.removesuffix("*")
    if "*" in code:
        return "a wildcard must be at the end"
    known = tuple(countries)
    if text != code:
        return None if not code or _CODE.fullmatch(code.rstrip(" -")) else accepted_forms(pattern, known)
    dashed = _LIKE_A_RANGE.fullmatch(text)
    if _CODE.fullmatch(text) is None or (dashed and not _is_code(text, known)):
        return accepted_forms(pattern, known)
    return None


def accepted_forms(pattern: str, countries: tuple[str, ...]) -> str:
    """The sentence that names the forms a pattern may have."""
    code = next((code for country in countries if (code := example(country))), "90210")
    return (
        f"{pattern!a} is not a postal code pattern: use a code such as {code}, a prefix such as {code[:2]}*, "
        "or a numeric range such as 90200...90299"
    )


def matched(pattern: str, code: PostalCode, country: str) -> Closeness | None:
    """How closely a pattern matches a postal code of a country (ISO code), or None; None as well for an invalid pattern."""
    kind, first, last = _parsed(pattern, country)
    if kind == _EXACT:
        return (len(first), kind) if code.compact == first else None
    if kind == _WITHIN:
        digits = code.compact
        within = digits.isascii() and digits.isdigit() and int(first) <= int(digits) <= int(last)
        return (len(last), kind) if within else None
    whole = code.spaced if country in UK_STYLE else code.compact
    return (len(first.replace(" ", "")), kind) if kind >= 0 and whole.startswith(first) else None


@lru_cache(maxsize=8192)
def _parsed(pattern: str, country: str) -> tuple[int, str, str]:
    """The pattern's kind and what it fixes; kind -1 is invalid.

    In the UK style a prefix is compared with the canonical space, and may end with it: `SW1 *` is not `SW1*`.
    """
    if pattern_error(pattern, (country,)):
        return (-1, " ", "")
    text = _plain(pattern)
    if ends := _RANGE.fullmatch("".join(text.split())):
        return (_WITHIN, ends[1], ends[2])
    if not text.endswith("*"):
        return (_EXACT, postal_code(text, country).compact, "")
    start = separated(text[:-1], country)
    if country not in UK_STYLE:
        return (_PREFIX, start.replace(" ", ""), "")
    return (_WHOLE_PREFIX, f"{start} ", "") if text[-2:-1] in {" ", "-"} else (_PREFIX, start, "")


def _plain(pattern: str) -> str:
    return unicodedata.normalize("NFKC", pattern).strip()


def _range_error(text: str) -> str | None:
    if "*" in text:
        return "a range must not contain a wildcard"
    ends = _RANGE.fullmatch("".join(text.split()))
    if ends is None:
        return "a range is two numbers, such as 10000...19999"
    return "the range ends before it begins" if int(ends[1]) > int(ends[2]) else None


def _is_code(text: str, countries: tuple[str, ...]) -> bool:
    """Whether two numbers with a dash between them are a postal code rather than a range with the wrong separator."""
    if countries:
        return any(postal_code(text, country).valid is not False for country in countries)
    first, _, last = text.partition("-")
    return len(first.strip()) != len(last.strip())
