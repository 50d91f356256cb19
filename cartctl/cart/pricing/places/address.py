"""Where a cart is shipped to, as it was given and as rules compare it."""

from dataclasses import dataclass
from functools import lru_cache

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.places.countries import country_code, folded, requires_state, state_code
from cartctl.cart.pricing.places.postal_codes import PostalCode, postal_code

LONGEST_PART = 500  # characters; addresses are cached


@dataclass(frozen=True, slots=True)
class Address:
    """An address as given, in any usual spelling.

    Raises InputError for a part of more than 500 characters.
    """

    country: str
    state: str | None = None
    city: str | None = None
    postal_code: str | None = None

    def __post_init__(self) -> None:
        for part in ("country", "state", "city", "postal_code"):
            if len(getattr(self, part) or "") > LONGEST_PART:
                raise InputError(f"shipTo.{part}", f"must not have more than {LONGEST_PART} characters")


@dataclass(frozen=True, slots=True)
class Place:
    """An address in ISO codes. `state` is the text's own folding where ISO does not know it, and `state_known` False."""

    country: str
    state: str | None
    state_known: bool
    city: str | None
    postal_code: PostalCode | None


@lru_cache(maxsize=4096)
def place_of(address: Address) -> Place | None:
    """An address in ISO codes; None if its country is not one."""
    country = country_code(address.country)
    if country is None:
        return None
    code = address.postal_code
    return Place(
        country=country,
        state=state_key(address.state, country),
        state_known=_blank(address.state) or state_code(address.state or "", country) is not None,
        city=None if _blank(address.city) else folded(address.city or ""),
        postal_code=None if code is None or _blank(code) else postal_code(code, country),
    )


@lru_cache(maxsize=4096)
def state_key(state: str | None, country: str) -> str | None:
    """What states of a country (ISO code) are compared by: the ISO code, else the folded text; None without a state."""
    if state is None or _blank(state):
        return None
    return state_code(state, country) or f"?{folded(state)}"


def country_error(country: str) -> str | None:
    """Why a country is not accepted, or None."""
    if country_code(country):
        return None
    return f"{country!a} is not a country: use an ISO 3166 code such as US"


def state_error(state: str, country: str) -> str | None:
    """Why a state of a country (in any spelling) is not accepted, or None; countries without states accept any text."""
    code = country_code(country)
    if code is None or _blank(state) or not requires_state(code) or state_code(state, code):
        return None
    return f"{state!a} is not a state of {code}: use its name or its ISO 3166-2 code"


def _blank(text: str | None) -> bool:
    return text is None or not text.strip()
