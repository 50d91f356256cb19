"""Carts and their lines as COPY reads them: believable, and the same for the same seed.

A few products sell best, most carts are abandoned and some of those come back. Each part of the carts is made from its
own number alone, so that parts can be made beside each other; ids rise with time, so that keys are appended.
"""

import json
import random
from dataclasses import dataclass
from functools import cache
from struct import Struct
from typing import NamedTuple

from cartctl.sandbox.data.copy_format import (
    HEAD,
    NULL,
    TAIL,
    amount,
    boolean,
    integer,
    jsonb,
    moment,
    raw,
    since_2000,
    text,
)
from cartctl.sandbox.data.population import DAYS, Population, Product, Tenant

PART = 20_000  # carts
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000  # milliseconds
LIFETIME = 30 * DAY

CART_COLUMNS = (
    *("id", "companyId", "currency", "shippingCountry", "siteId", "siteType", "visitorId", "customerId"),
    *("sessionToken", "status", "subtotal", "discountTotal", "taxTotal", "shippingTotal", "grandTotal"),
    *("itemCount", "discountCodes", "utmSource", "recoveryEmailSent", "recoveryEmailSentAt"),
    *("recoveryClicks", "mergedIntoCartId", "mergedAt", "createdAt", "updatedAt", "lastActivityAt"),
    *("expiresAt", "convertedAt", "orderId", "abandonedAt"),
)
ITEM_COLUMNS = (
    *("id", "cartId", "productId", "productSnapshot", "quantity", "unitPrice", "originalPrice"),
    *("discountAmount", "lineTotal", "addedAt", "updatedAt"),
)

_SOURCES = (NULL, NULL, NULL, *map(text, ("google", "newsletter", "instagram", "partner")))
_CURRENCIES = ("USD", "USD", "USD", "USD", "EUR", "EUR", "GBP")
_KINDS = tuple(
    map(text, (*("STOREFRONT",) * 14, *("FUNNEL",) * 3, "TRIAL", "MARKETPLACE", "B2B_PORTAL")),
)
_STATUS = {name: text(name) for name in ("ACTIVE", "CONVERTED", "ABANDONED", "MERGED", "EXPIRED")}
_LINES = (1, 1, 1, 1, 1, 2, 2, 2, 3, 5)
_UNITS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 6)

# What rows begin with: how many columns they have, and how long their id is. Ids are of one length.
_CART = len(CART_COLUMNS).to_bytes(2, "big") + (24).to_bytes(4, "big")
_ITEM = len(ITEM_COLUMNS).to_bytes(2, "big") + (26).to_bytes(4, "big")
_LINE = tuple(b"%d" % line + (24).to_bytes(4, "big") for line in range(max(_LINES)))
_TOKEN = (25).to_bytes(4, "big") + b"t"
_VISITOR = (8).to_bytes(4, "big") + b"v%07d"
_ORDER = (30).to_bytes(4, "big") + b"order-"
_MERGED_INTO = (24).to_bytes(4, "big")
_UNMERGED = _UNBOUGHT = NULL + NULL
_MAILED, _UNMAILED = boolean(True), boolean(False) + NULL
_NOT_CLICKED, _CLICKED = integer(0), integer(1)
_times = Struct(">iqiqiqiq").pack

Line = tuple[bytes, int, int]  # the columns from productId to lineTotal, cents, units
_Life = tuple[str, int, int | None, int | None, bytes | None]
"""What becomes of a cart: status, last activity, when it was left, when a mail was sent, what it was merged into."""


class Part(NamedTuple):
    """A part of the carts, and their lines, as COPY reads them."""

    carts: bytes
    items: bytes
    lines: int


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What carts of a company have in common, ready to be written."""

    company: bytes
    sites: tuple[bytes, ...]
    shopper: bytes
    customers: int
    lines: tuple[tuple[Line, ...], ...]  # by product, and by the draw of its units


class Maker:
    """Makes the parts of a population's carts."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._until = since_2000(population.until)
        self._slot = DAYS * DAY / population.carts
        self._shelves = {tenant.id: _shelf(tenant) for tenant in population.tenants}

    def part(self, number: int) -> Part:
        """Part `number`, of PART carts; the last one has what is left."""
        known = self._population
        first = number * PART
        count = min(PART, known.carts - first)
        self._chance = random.Random(f"{known.seed}:{number}")  # noqa: S311 - the same data every time, nothing secret
        self._carts, self._items = [HEAD], [HEAD]
        self._last: dict[str, bytes] = {}
        for offset, tenant in enumerate(
            self._chance.choices(known.tenants, cum_weights=known.cumulative, k=count)
        ):
            self._make(first + offset, tenant.id)
        lines = len(self._items) // 5
        return Part(b"".join((*self._carts, TAIL)), b"".join((*self._items, TAIL)), lines)

    def _make(self, number: int, company: str) -> None:
        """One cart with its lines."""
        draw, shelf = self._chance.random, self._shelves[company]
        created = self._until - DAYS * DAY + int((number + draw()) * self._slot)
        cart = b"c%011x%08x%04x" % (created, number, int(draw() * 65536))
        subtotal, units = self._fill(cart, moment(created), shelf) if draw() > 0.02 else (0, 0)  # noqa: PLR2004 - some stay empty
        life = self._life(created, company)
        if units == 0 and life[0] in {"CONVERTED", "ABANDONED"}:
            life = ("ACTIVE", created, None, None, None)
        coded = draw() < 0.125  # noqa: PLR2004 - one cart in eight
        self._carts += (_CART, cart, shelf.company, *self._shopper(cart, shelf, life[0]))
        self._carts += (_totals(subtotal, units, coded), _SOURCES[int(draw() * 7)])
        self._carts += _story(cart, created, life)
        self._last[company] = cart

    def _fill(self, cart: bytes, created: bytes, shelf: _Shelf) -> tuple[int, int]:
        """The cart's lines; gives their sum in cents, and the units."""
        draw = self._chance.random
        products = len(shelf.lines)
        first = int(draw() * draw() * products)
        subtotal = units = 0
        begin, end = _ITEM + cart + b"-", created + created
        for line in range(min(_LINES[int(draw() * 10)], products)):
            row, cents, quantity = shelf.lines[(first + line) % products][int(draw() * 10)]
            self._items += (begin, _LINE[line], cart, row, end)
            subtotal += cents
            units += quantity
        return subtotal, units

    def _shopper(self, cart: bytes, shelf: _Shelf, status: str) -> tuple[bytes, ...]:
        """The columns from siteId to status."""
        draw = self._chance.random
        own = int(draw() ** 1.5 * shelf.customers)
        guest = draw() < 0.35  # noqa: PLR2004
        return (
            shelf.sites[int(draw() * draw() * len(shelf.sites))],
            _KINDS[int(draw() * 20)],
            _VISITOR % own,
            NULL if guest else raw(shelf.shopper % own),
            _TOKEN + cart if guest and status != "MERGED" else NULL,
            _STATUS[status],
        )

    def _life(self, created: int, company: str) -> _Life:
        """What becomes of a cart: the shares are those of a shop whose carts are mostly left behind."""
        draw, until = self._chance.random, self._until
        last = min(created + int(draw() * 40 * MINUTE), until)
        fate = draw()
        if fate < 0.30:  # noqa: PLR2004 - bought at once
            bought = last + int(draw() * 20 * MINUTE)
            return ("CONVERTED" if bought < until else "ACTIVE", min(bought, until), None, None, None)
        if fate < 0.33 and company in self._last:  # noqa: PLR2004 - turned out to be a customer's
            return ("MERGED", last, None, None, self._last[company])
        left = last + HOUR + int(draw() * 5 * MINUTE)
        if left > until or fate > 0.985:  # noqa: PLR2004 - still being filled, or overlooked
            return ("ACTIVE", last, None, None, None)
        mailed = left + HOUR + int(draw() * HOUR) if draw() < 0.7 else until  # noqa: PLR2004
        sent = mailed if mailed < until else None
        back = left + int((1 + draw() * 60) * HOUR)
        if fate < 0.42 and back < until:  # noqa: PLR2004 - came back
            return ("CONVERTED", back, left, sent, None)
        expired = last + LIFETIME + 6 * HOUR < until
        return ("EXPIRED" if expired else "ABANDONED", last, left, sent, None)


def _story(cart: bytes, created: int, life: _Life) -> tuple[bytes, ...]:
    """The columns from recoveryEmailSent to abandonedAt."""
    status, last, left, mailed, merged = life
    bought = status == "CONVERTED"
    return (
        _UNMAILED if mailed is None else _MAILED + moment(mailed),
        _CLICKED if bought and mailed is not None else _NOT_CLICKED,
        _UNMERGED if merged is None else _MERGED_INTO + merged + moment(last),
        _times(8, created * 1000, 8, last * 1000, 8, last * 1000, 8, (last + LIFETIME) * 1000),
        moment(last) + _ORDER + cart if bought else _UNBOUGHT,
        NULL if left is None else moment(left),
    )


@cache
def _totals(subtotal: int, units: int, coded: bool) -> bytes:
    """The columns from subtotal to discountCodes; the code is one for 10 % off. Few sums are all that ever occur."""
    discount = (subtotal + 5) // 10 if coded else 0
    shipping = 490 if 0 < subtotal - discount < 7500 else 0  # noqa: PLR2004 - free from 75.00 on
    amounts = (subtotal, discount, 0, shipping, subtotal - discount + shipping)
    codes = jsonb('["WELCOME10"]' if coded and units else "[]")
    return b"".join((*map(amount, amounts), integer(units), codes))


def _shelf(tenant: Tenant) -> _Shelf:
    return _Shelf(
        company=text(tenant.id) + text(_CURRENCIES[len(tenant.id) % 7]) + text("US"),
        sites=tuple(map(text, tenant.sites)),
        shopper=tenant.id.replace("%", "%%").encode() + b"-shopper-%05d",
        customers=tenant.customers,
        lines=tuple(map(_lines, tenant.products)),
    )


def _lines(product: Product) -> tuple[Line, ...]:
    name = text(product.id)
    priced = (_priced(product.name, product.category, product.cents, units) for units in _UNITS)
    return tuple((name + row, cents, units) for (row, cents), units in zip(priced, _UNITS, strict=True))


@cache
def _priced(name: str, category: str, cents: int, units: int) -> tuple[bytes, int]:
    """The columns from productSnapshot to lineTotal, and the sum in cents; many companies sell the same."""
    shown = {"name": name, "category": category, "price": f"{cents // 100}.{cents % 100:02}"}
    columns = (jsonb(json.dumps(shown, ensure_ascii=False)), integer(units), amount(cents) * 2, amount(0))
    return b"".join((*columns, amount(cents * units))), cents * units
