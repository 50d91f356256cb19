"""Whose a thing is (D12): for everybody else it does not exist."""

from typing import Protocol, TypeVar

from cartctl.cart.errors import NotFound


class Owned(Protocol):
    """Anything that belongs to a company."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def company_id(self) -> str:
        """The company it belongs to."""


Thing = TypeVar("Thing", bound=Owned)


def of_company(thing: Thing | None, company_id: str, description: str) -> Thing:
    """The thing itself. Raises NotFound, in the same words, for what is another company's and for what is not there."""
    if thing is None or thing.company_id != company_id:
        raise NotFound(f"{description[:1].upper()}{description[1:]} not found.")
    return thing
