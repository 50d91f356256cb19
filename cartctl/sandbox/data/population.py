"""The companies in the seeded data, skewed as on a large platform, where a few companies have most of the carts."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate

from cartctl.cart.pricing.money import allocate
from cartctl.sandbox.data.markets import Market

DAYS = 90
LARGEST_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class Product:
    """A product as a line shows it; the price in hundredths of its currency."""

    id: str
    name: str
    category: str
    cents: int


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company with the rows that its carts refer to."""

    id: str
    market: Market
    sites: tuple[str, ...]
    products: tuple[Product, ...]
    customers: int


@dataclass(frozen=True)
class Population:
    """How many carts, of which companies, up to when (UTC, without a zone)."""

    carts: int
    seed: int
    until: datetime
    tenants: tuple[Tenant, ...]

    @cached_property
    def cumulative(self) -> list[float]:
        """The companies' weights, summed up."""
        return list(accumulate(weights(len(self.tenants))))


def weights(count: int) -> list[float]:
    """The companies' shares of the carts, the largest first: 10 % for one of many, and a long tail."""
    tail = [1 / (rank + 3) ** 0.9 for rank in range(1, count)]
    if not tail or count <= 1 / LARGEST_SHARE:
        return [1.0 / count] * count
    rest = (1 - LARGEST_SHARE) / sum(tail)
    return [LARGEST_SHARE, *(min(share * rest, LARGEST_SHARE * 0.9) for share in tail)]


def expected_carts(carts: int, count: int) -> list[int]:
    """About how many carts each company gets."""
    return allocate(carts, [round(weight * 10**9) for weight in weights(count)])
