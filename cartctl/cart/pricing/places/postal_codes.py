"""Postal codes in the canonical form of their country (D8): two spellings of one code are equal."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from cartctl.cart.pricing.places.countries import address_data

_LONGEST = 16  # characters of a code without separators
UK_STYLE = frozenset({"GB", "GG", "IM", "JE"})
"""Countries whose codes have their space at different places: SW1 1AA is not SW11 AA."""

_BEFORE_LAST = 3
_UNASSIGNED = {
    **dict.fromkeys(UK_STYLE, range(5, 8)),
    "CA": range(6, 7),
}  # lengths of codes with that separator (D8)
_ZIP = frozenset(
    {"US", "AS", "FM", "GU", "MH", "MP", "PR", "PW", "UM", "VI"}
)  # five digits, perhaps four more
_ZIP_PLUS_4 = re.compile(r"(\d{5})\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PostalCode:
    """A postal code: `compact` without separators, by which codes are compared.

    `spaced` has one space where the country has its separator. `valid` says whether the code has the country's form,
    None where that form is not known.
    """

    compact: str
    spaced: str
    valid: bool | None


@lru_cache(maxsize=8192)
def postal_code(text: str, country: str) -> PostalCode:
    """A postal code as it is compared in a country, given by its ISO code.

    Upper case, without the country's prefix (SE-, LV-, L-); ZIP+4 becomes five digits.
    """
    written = separated(text, country)
    compact = written.replace(" ", "")
    if country in _ZIP and (extended := _ZIP_PLUS_4.fullmatch(compact)):
        written = compact = extended[1]
    form = _form(country)
    if form is None or len(compact) > _LONGEST:
        return PostalCode(compact, written, None if form is None else False)
    if (position := _separator(compact, form)) is not None:
        return PostalCode(compact, f"{compact[:position]} {compact[position:]}", valid=True)
    prefixed = f"{country}{compact}"  # LV and others have the prefix in their form
    if form.fullmatch(compact) or form.fullmatch(prefixed) or _separator(prefixed, form) is not None:
        return PostalCode(compact, compact, valid=True)
    return PostalCode(compact, _unassigned(compact, country) or written, valid=False)


def separated(text: str, country: str) -> str:
    """A code or its beginning: upper case, without the country's prefix, with single spaces as separators."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    return " ".join(_prefix(country).sub("", code).replace("-", " ").split())


def example(country: str) -> str | None:
    """A postal code of a country, for messages; None where the country has none."""
    return address_data(country).get("zipex", "").partition(",")[0] or None


def _separator(compact: str, form: re.Pattern[str]) -> int | None:
    """Where the country's form has a separator in a code, if it has one."""
    for position in range(len(compact) - 1, 0, -1):
        if any(form.fullmatch(f"{compact[:position]}{mark}{compact[position:]}") for mark in " -"):
            return position
    return None


def _unassigned(compact: str, country: str) -> str | None:
    """A code that is not assigned, with the separator that all codes of its country have."""
    if len(compact) not in _UNASSIGNED.get(country, ()):
        return None
    return f"{compact[:-_BEFORE_LAST]} {compact[-_BEFORE_LAST:]}"


@lru_cache(maxsize=256)
def _prefix(country: str) -> re.Pattern[str]:
    """What international mail puts before a code; in the UK style the first letters belong to the code."""
    if country in UK_STYLE:
        return re.compile(r"\Z(?!)")
    prefixes = {country, address_data(country).get("postprefix", country).strip(" -")}
    return re.compile(rf"\A(?:{'|'.join(map(re.escape, sorted(prefixes)))})[ -]*(?=\d)", re.ASCII)


@lru_cache(maxsize=256)
def _form(country: str) -> re.Pattern[str] | None:
    pattern = address_data(country).get("zip")
    return re.compile(pattern, re.ASCII) if pattern else None
