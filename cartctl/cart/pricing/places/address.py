"""Where a cart is shipped to, and how names of places are compared."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where a cart goes to: an ISO 3166 country code and, as far as known, the rest."""

    country: str
    state: str | None = None
    city: str | None = None
    postal_code: str | None = None


def same(asked: str | None, given: str | None) -> bool:
    """Whether a name or code of a place equals another; letter case and outer space do not count."""
    return asked is not None and given is not None and _plain(asked) == _plain(given)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
