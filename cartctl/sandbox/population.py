"""Carts as a large platform has them, as text for COPY: skewed, believable, and the same for the same seed.

A few companies have most of the carts, a few products sell best, most carts are abandoned and some of those come back.
Each part of the carts is made from its own number alone, so that parts can be made beside each other.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import accumulate

from cartctl.domain.money import allocate

PART = 20_000  # carts
DAYS = 90
LARGEST_SHARE = 0.10
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # milliseconds
LIFETIME = 30 * DAY

CART_COLUMNS = (
    *(
        "id",
        "companyId",
        "siteId",
        "siteType",
        "customerId",
        "sessionToken",
        "visitorId",
        "status",
        "currency",
    ),
    *(
        "subtotal",
        "discountTotal",
        "taxTotal",
        "shippingTotal",
        "grandTotal",
        "itemCount",
        "discountCodes",
        "shippingCountry",
    ),
    *(
        "utmSource",
        "recoveryEmailSent",
        "recoveryEmailSentAt",
        "recoveryClicks",
        "mergedIntoCartId",
        "mergedAt",
    ),
    *("createdAt", "updatedAt", "lastActivityAt", "expiresAt", "convertedAt", "abandonedAt", "orderId"),
)
ITEM_COLUMNS = (
    *("id", "cartId", "productId", "productSnapshot", "quantity", "unitPrice", "originalPrice"),
    *("discountAmount", "lineTotal", "addedAt", "updatedAt"),
)

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the columns are without a zone, in UTC
_SOURCES = ("\\N", "\\N", "\\N", "google", "newsletter", "instagram", "partner")
_CURRENCIES = ("USD", "USD", "USD", "USD", "EUR", "EUR", "GBP")
_KINDS = (
    *("STOREFRONT",) * 14,
    *("FUNNEL",) * 3,
    "TRIAL",
    "MARKETPLACE",
    "B2B_PORTAL",
)
_LINES = (1, 1, 1, 1, 1, 2, 2, 2, 3, 5)
_UNITS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 6)
_NULL = "\\N"

Line = tuple[str, int, int]  # text, cents, units


@dataclass(frozen=True, slots=True)
class Product:
    """What a line shows of a product; the price in cents."""

    id: str
    name: str
    category: str
    cents: int


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company with what its carts refer to."""

    id: str
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

    @cached_property
    def lines(self) -> dict[str, list[list[Line]]]:
        """By company: what a line of each product says, made once."""
        return {tenant.id: _line_texts(tenant.products) for tenant in self.tenants}

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.carts // PART)


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


def part(population: Population, number: int) -> tuple[bytes, bytes]:
    """Part `number` of the carts, and their lines, as the text that COPY reads."""
    chance = random.Random(f"{population.seed}:{number}")  # noqa: S311 - the same data every time, nothing secret
    first = number * PART
    count = min(PART, population.carts - first)
    chosen = chance.choices(population.tenants, cum_weights=population.cumulative, k=count)
    maker = _Maker(population, chance)
    for offset, tenant in enumerate(chosen):
        maker.make(first + offset, tenant)
    return "".join(maker.carts).encode(), "".join(maker.items).encode()


@cache
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).strftime("%Y-%m-%d ")


_SECONDS = [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}." for second in range(86_400)]
_MILLISECONDS = [f"{number:03}" for number in range(1000)]


def stamp(milliseconds: int) -> str:
    """A time as the database reads it, put together from tables: millions are written."""
    seconds, rest = divmod(milliseconds, 1000)
    days, second = divmod(seconds, 86_400)
    return _date(days) + _SECONDS[second] + _MILLISECONDS[rest]


def since_epoch(moment: datetime) -> int:
    """A time in UTC without a zone, in milliseconds."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def money(cents: int) -> str:
    """Cents as an amount."""
    return f"{cents // 100}.{cents % 100:02}"


class _Maker:
    """Writes carts and lines, one after the other."""

    def __init__(self, population: Population, chance: random.Random) -> None:
        self.carts: list[str] = []
        self.items: list[str] = []
        self._number = population.carts
        self._until = since_epoch(population.until)
        self._begin = self._until - DAYS * DAY
        self._chance = chance
        self._lines = population.lines
        self._last: dict[str, str] = {}

    def make(self, number: int, tenant: Tenant) -> None:
        """One cart with its lines."""
        draw = self._chance.random
        span = self._until - self._begin
        created = self._begin + span * number // self._number + int(draw() * HOUR)
        created = min(created, self._until - 1)
        cart = f"c{created:011x}{number:08x}{int(draw() * 65536):04x}"
        life, at = self._life(created, tenant), stamp(created)
        subtotal, units = self._fill(cart, at, tenant) if draw() > 0.02 else (0, 0)  # noqa: PLR2004 - some stay empty
        if units == 0 and life.status in {"CONVERTED", "ABANDONED"}:
            life = _Life("ACTIVE", created)
        self.carts.append(self._row(cart, tenant, life, at, _totals(subtotal, units, draw())))
        self._last[tenant.id] = cart

    def _life(self, created: int, tenant: Tenant) -> "_Life":
        """What becomes of a cart: the shares are those of a shop whose carts are mostly left behind."""
        draw, until = self._chance.random, self._until
        last = min(created + int(draw() * 40 * MINUTE), until)
        fate = draw()
        if fate < 0.30:  # noqa: PLR2004 - bought at once
            bought = last + int(draw() * 20 * MINUTE)
            return _Life("CONVERTED", bought, converted=bought) if bought < until else _Life("ACTIVE", last)
        if fate < 0.33 and tenant.id in self._last:  # noqa: PLR2004 - turned out to be a customer's
            return _Life("MERGED", last, merged_into=self._last[tenant.id])
        left = last + HOUR + int(draw() * 5 * MINUTE)
        if left > until or fate > 0.985:  # noqa: PLR2004 - still being filled, or overlooked
            return _Life("ACTIVE", last)
        mailed = left + HOUR + int(draw() * HOUR) if draw() < 0.7 else None  # noqa: PLR2004
        mailed = mailed if mailed is not None and mailed < until else None
        back = left + int((1 + draw() * 60) * HOUR)
        if fate < 0.42 and back < until:  # noqa: PLR2004 - came back
            return _Life("CONVERTED", back, left=left, mailed=mailed, converted=back)
        status = "EXPIRED" if last + LIFETIME + 6 * HOUR < until else "ABANDONED"
        return _Life(status, last, left=left, mailed=mailed)

    def _fill(self, cart: str, created: str, tenant: Tenant) -> tuple[int, int]:
        """The cart's lines; gives their sum in cents, and the units."""
        draw = self._chance.random
        texts = self._lines[tenant.id]
        popular = len(texts)
        first = int(draw() * draw() * popular)
        subtotal = units = 0
        for line in range(min(_LINES[int(draw() * 10)], popular)):
            row, cents, quantity = texts[(first + line) % popular][int(draw() * 10)]
            self.items.append(f"{cart}-{line}\t{cart}\t{row}\t{created}\t{created}\n")
            subtotal += cents
            units += quantity
        return subtotal, units

    def _row(self, cart: str, tenant: Tenant, life: "_Life", created: str, totals: str) -> str:
        draw = self._chance.random
        own = int(draw() ** 1.5 * tenant.customers)
        guest = draw() < 0.35  # noqa: PLR2004
        customer = _NULL if guest else f"{tenant.id}-shopper-{own:05}"
        token = f"t{cart}" if guest and life.status != "MERGED" else _NULL
        site = tenant.sites[int(draw() * draw() * len(tenant.sites))]
        last, mailed, merged = stamp(life.last), life.mailed, life.merged_into
        bought = life.converted is not None
        return (
            f"{cart}\t{tenant.id}\t{site}\t{_KINDS[int(draw() * 20)]}\t{customer}\t{token}\tv{own:07}\t{life.status}\t"
            f"{_CURRENCIES[len(tenant.id) % 7]}\t{totals}\t{_SOURCES[int(draw() * 7)]}\t"
            f"{'f' if mailed is None else 't'}\t{_NULL if mailed is None else stamp(mailed)}\t{int(bought and mailed is not None)}\t"
            f"{merged or _NULL}\t{last if merged else _NULL}\t{created}\t{last}\t{last}\t{stamp(life.last + LIFETIME)}\t"
            f"{last if bought else _NULL}\t{_NULL if life.left is None else stamp(life.left)}\t"
            f"{f'order-{cart}' if bought else _NULL}\n"
        )


@dataclass(frozen=True, slots=True)
class _Life:
    """What becomes of a cart; times in milliseconds since 1970."""

    status: str
    last: int
    left: int | None = None
    mailed: int | None = None
    converted: int | None = None
    merged_into: str | None = None


def _totals(subtotal: int, units: int, luck: float) -> str:
    """The columns from subtotal to shippingCountry: one cart in eight has a code for 10 % off."""
    coded = luck < 0.125 and units  # noqa: PLR2004
    discount = (subtotal + 5) // 10 if coded else 0
    shipping = 490 if 0 < subtotal - discount < 7500 else 0  # noqa: PLR2004 - free from 75.00 on
    amounts = (subtotal, discount, 0, shipping, subtotal - discount + shipping)
    codes = '["WELCOME10"]' if coded else "[]"
    return "\t".join((*map(money, amounts), str(units), codes, "US"))


def _line_texts(products: Sequence[Product]) -> list[list[Line]]:
    """By product, and by the draw of its units: the columns of a line from productId to lineTotal."""
    return [
        [
            (
                f"{product.id}\t{_snapshot(product)}\t{units}\t{price}\t{price}\t0\t{money(product.cents * units)}",
                product.cents * units,
                units,
            )
            for units in _UNITS
        ]
        for product in products
        for price in (money(product.cents),)
    ]


def _snapshot(product: Product) -> str:
    fields: Mapping[str, str] = {
        "name": product.name,
        "category": product.category,
        "price": money(product.cents),
    }
    return json.dumps(fields, ensure_ascii=False).replace("\\", "\\\\")
