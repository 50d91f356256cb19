"""Carts and their lines as COPY reads them: realistic, and the same for the same seed.

A few products sell best, most carts are abandoned and some of those come back. Each part of the carts depends only on its number,
so that parts can be made in parallel; ids ascend with time, so that keys are appended.
"""

import random
from struct import Struct
from typing import NamedTuple

from cartctl.sandbox.data.cart_amounts import discounts, line_tax, totals
from cartctl.sandbox.data.copy_format import (
    HEAD,
    NULL,
    TAIL,
    amount,
    boolean,
    integer,
    moment,
    raw,
    since_2000,
    text,
)
from cartctl.sandbox.data.population import DAYS, Population
from cartctl.sandbox.data.shelves import Shelf, shelf_of

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

PROMOTION_COLUMNS = ("id", "cartId", "promotionId", "discountAmount", "appliedAt")
USAGE_COLUMNS = ("id", "promotionId", "cartId", "customerId", "discountAmount", "orderId", "appliedAt")

_SOURCES = (NULL, NULL, NULL, *map(text, ("google", "newsletter", "instagram", "partner")))
_KINDS = tuple(
    map(text, (*("STOREFRONT",) * 14, *("FUNNEL",) * 3, "TRIAL", "MARKETPLACE", "B2B_PORTAL")),
)
_STATUS = {name: text(name) for name in ("ACTIVE", "CONVERTED", "ABANDONED", "MERGED", "EXPIRED")}
_LINES = (1, 1, 1, 1, 1, 2, 2, 2, 3, 5)

# The beginning of a row: the number of its columns and the length of its id. Ids have one length.
_CART = len(CART_COLUMNS).to_bytes(2, "big") + (24).to_bytes(4, "big")
_ITEM = len(ITEM_COLUMNS).to_bytes(2, "big") + (26).to_bytes(4, "big")
_APPLIED = len(PROMOTION_COLUMNS).to_bytes(2, "big") + (25).to_bytes(4, "big") + b"a"
_USED = len(USAGE_COLUMNS).to_bytes(2, "big") + (25).to_bytes(4, "big") + b"u"
_CART_KEY = (24).to_bytes(4, "big")
_LINE = tuple(b"%d" % line + (24).to_bytes(4, "big") for line in range(max(_LINES)))
_TOKEN = (25).to_bytes(4, "big") + b"t"
_VISITOR = (8).to_bytes(4, "big") + b"v%07d"
_ORDER = (30).to_bytes(4, "big") + b"order-"
_UNMERGED = _UNBOUGHT = NULL + NULL
_MAILED, _UNMAILED = boolean(True), boolean(False) + NULL
_NOT_CLICKED, _CLICKED = integer(0), integer(1)
_times = Struct(">iqiqiqiq").pack


class _Filled(NamedTuple):
    """The sums of a cart's lines, in hundredths, and its units."""

    subtotal: int = 0
    discount: int = 0
    tax: int = 0
    units: int = 0


_Life = tuple[str, int, int | None, int | None, bytes | None]
"""What becomes of a cart: status, last activity, when it was left, when a mail was sent, what it was merged into."""


class Part(NamedTuple):
    """A part of the carts with their lines, their promotions and the uses of those, as COPY reads them."""

    carts: bytes
    items: bytes
    promotions: bytes
    usages: bytes
    lines: int


class Maker:
    """Makes the parts of a population's carts."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._until = since_2000(population.until)
        self._slot = DAYS * DAY / population.carts
        self._shelves = {tenant.id: shelf_of(tenant) for tenant in population.tenants}

    def part(self, number: int) -> Part:
        """Part `number`, of PART carts; the last one has what is left."""
        known = self._population
        first = number * PART
        count = min(PART, known.carts - first)
        self._chance = random.Random(f"{known.seed}:{number}")  # noqa: S311 - the same data every time, nothing secret
        self._carts, self._items, self._applied, self._used = [HEAD], [HEAD], [HEAD], [HEAD]
        self._last: dict[str, bytes] = {}
        for offset, tenant in enumerate(
            self._chance.choices(known.tenants, cum_weights=known.cumulative, k=count)
        ):
            self._make(first + offset, tenant.id)
        lines = (len(self._items) - 1) // 6
        written = (self._carts, self._items, self._applied, self._used)
        carts, items, applied, used = (b"".join((*rows, TAIL)) for rows in written)
        return Part(carts, items, applied, used, lines)

    def _make(self, number: int, company: str) -> None:
        """One cart with its lines and its promotion."""
        draw, shelf = self._chance.random, self._shelves[company]
        created = self._until - DAYS * DAY + int((number + draw()) * self._slot)
        cart = b"c%011x%08x%04x" % (created, number, int(draw() * 65536))
        filled, coded = draw() > 0.02, draw() < 0.125  # noqa: PLR2004 - some stay empty, one in eight has a code
        life = self._life(created, company)
        if not filled and life[0] in {"CONVERTED", "ABANDONED"}:
            life = ("ACTIVE", created, None, None, None)
        coded = coded and filled and life[0] != "MERGED"  # whose code the other cart has
        sums = self._fill(cart, moment(created), shelf, coded=coded) if filled else _Filled()
        shopper = self._shopper(cart, shelf, life[0])
        self._carts += (_CART, cart, shelf.company, *shopper, totals(*sums, coded, shelf.market))
        self._carts += (_SOURCES[int(draw() * 7)], *_story(cart, created, life))
        if coded:
            self._promote(cart, shelf, amount(sums.discount), shopper[3], moment(created), life)
        self._last[company] = cart

    def _fill(self, cart: bytes, created: bytes, shelf: Shelf, *, coded: bool) -> _Filled:
        """Write the cart's lines; return their sums."""
        draw = self._chance.random
        products = len(shelf.lines)
        first = int(draw() * draw() * products)
        count = min(_LINES[int(draw() * 10)], products)
        lines = [shelf.lines[(first + line) % products][int(draw() * 10)] for line in range(count)]
        taxes, amounts, discount = [line.tax for line in lines], [line.amounts for line in lines], 0
        if coded:
            off = discounts([line.base for line in lines], shelf.market)
            nets = [line.base - part for line, part in zip(lines, off, strict=True)]
            taxes, discount = [line_tax(net, shelf.market) for net in nets], sum(off)
            amounts = [amount(part) + amount(net) for part, net in zip(off, nets, strict=True)]
        begin, end = _ITEM + cart + b"-", created + created
        for number, line in enumerate(lines):
            self._items += (begin, _LINE[number], cart, line.product, amounts[number], end)
        return _Filled(
            sum(line.base for line in lines), discount, sum(taxes), sum(line.units for line in lines)
        )

    def _promote(
        self, cart: bytes, shelf: Shelf, discount: bytes, customer: bytes, created: bytes, life: _Life
    ) -> None:
        """Write the cart's promotion, and its use if the cart was converted."""
        self._applied += (_APPLIED, cart, _CART_KEY, cart, shelf.promotion, discount, created)
        if life[0] == "CONVERTED":
            bought = _ORDER + cart + moment(life[1])
            self._used += (_USED, cart, shelf.promotion, _CART_KEY, cart, customer, discount, bought)

    def _shopper(self, cart: bytes, shelf: Shelf, status: str) -> tuple[bytes, ...]:
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
        """The outcome of a cart: the shares are those of a shop whose carts are mostly abandoned."""
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
        _UNMERGED if merged is None else _CART_KEY + merged + moment(last),
        _times(8, created * 1000, 8, last * 1000, 8, last * 1000, 8, (last + LIFETIME) * 1000),
        moment(last) + _ORDER + cart if bought else _UNBOUGHT,
        NULL if left is None else moment(left),
    )
