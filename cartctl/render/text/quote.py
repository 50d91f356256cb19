"""A quote as a receipt: what each line costs, and after it every step to the total, with its reason.

It fits 80 columns on a terminal; in files and pipes, a longer line is not folded.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from rich.constrain import Constrain
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from cartctl.cart.pricing.pricing_result import ShippingStatus, TaxStatus
from cartctl.cart.pricing.promotions.promotion import PromotionClass
from cartctl.cart.pricing.quote import Quote
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRounding
from cartctl.render.drawing import Console, ConsoleOptions, RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.render.text.quote_terms import promotion_terms, rate_terms, rule_terms, why_not

_WIDTH = 78
_ROOM = 4  # columns between a text and its amount that rich does not measure
_INDENT = (0, 0, 0, 2)
_Row = tuple[RenderableType, str]  # label and amount


@renderable.register
def _quote(quote: Quote) -> RenderableType:
    return cast("RenderableType", _Receipt(quote))


class _Receipt:
    """The receipt within the available width: amounts at the right edge, or after a longer text."""

    def __init__(self, quote: Quote) -> None:
        self._quote = quote

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        parts = (_subtotal, _discount, _shipping, _taxes, _total)
        steps = [step for part in parts for step in part(self._quote)]
        blocks = [steps] if console.is_terminal else [[step] for step in steps]
        tables = [_lines(self._quote), *map(_grid, blocks)]
        for number, table in enumerate(tables):
            widest = 0 if console.is_terminal else Measurement.get(console, options, table).maximum + _ROOM
            yield Constrain(table, max(widest, _WIDTH))
            if not number:
                yield Text()


def _grid(steps: Sequence[_Row]) -> Table:
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(overflow="fold", ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    for step, amount in steps:
        grid.add_row(step, amount)
    return grid


def _lines(quote: Quote) -> Table:
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("line", overflow="fold", ratio=1)
    for name in ("units x price", "base", "off", "net", "tax"):
        table.add_column(name, justify="right", overflow="fold")  # a truncated amount would be a wrong one
    for line in quote.priced.lines:
        name = f"{line.id} (gift)" if line.gift else line.id
        amounts = (f"{amount:f}" for amount in (line.base, line.discount, line.net, line.tax))
        table.add_row(Text(name), f"{line.quantity} x {line.unit_price:f}", *amounts)
    return table


def _subtotal(quote: Quote) -> Iterator[_Row]:
    count = quote.priced.item_count
    yield _sum(f"Subtotal, {count} item{'' if count == 1 else 's'}"), quote["subtotal"]


def _discount(quote: Quote) -> Iterator[_Row]:
    yield from _promotions(quote, PromotionClass.PRODUCT, PromotionClass.CART, PromotionClass.GIFT)
    if quote.priced.discount_total:
        yield _sum("Discount on merchandise"), f"-{quote['discountTotal']}"


def _promotions(quote: Quote, *classes: PromotionClass) -> Iterator[_Row]:
    """The promotions of some classes: the terms of each, and its discount or why it has none."""
    money = quote.request.currency
    outcomes = quote.priced.promotions
    for promotion, outcome in zip(quote.request.promotions, outcomes, strict=True):
        if promotion.group in classes:
            terms = Text(f"{promotion.code}: {promotion_terms(promotion, money)}")
            if outcome.reason:
                terms.append_text(Text(f"; not applied: {why_not(promotion, outcome.reason, money)}", "dim"))
            yield _detail(terms), f"-{outcome.amount:f}" if outcome.amount else ""


def _shipping(quote: Quote) -> Iterator[_Row]:
    status, shipped = quote.priced.shipping_status, quote.priced.shipping
    if status is ShippingStatus.UNAVAILABLE:
        yield _detail(Text("No shipping to this address; the cart cannot be converted.", "red")), ""
    elif shipped is not None:
        names = f"{shipped.zone.name or shipped.zone.id}, {shipped.rule.name or shipped.rule.id}"
        terms = rule_terms(shipped.rule, shipped.amount, quote.request.currency)
        yield _detail(Text(f"{names}: {terms}")), f"{shipped.amount:f}"
    yield from _promotions(quote, PromotionClass.SHIPPING)
    needed = status is not ShippingStatus.NOT_REQUIRED
    yield _sum("Shipping" if needed else "Shipping, not required"), quote["shippingTotal"]


def _taxes(quote: Quote) -> Iterator[_Row]:
    request = quote.request
    if quote.priced.tax_status is TaxStatus.UNRESOLVED:
        why = "The tax is unknown" if request.ship_to else "The tax is unknown without an address"
        yield _detail(Text(f"{why}; the cart cannot be converted.", "yellow")), ""
    for tax in quote.priced.taxes:
        yield _detail(Text(f"{tax.rate.name}: {rate_terms(tax.rate)}")), f"{tax.amount:f}"
    where = "each line" if request.tax_rounding is TaxRounding.PER_LINE else "each rate's sum"
    rounded = f", rounded at {where}" if quote.priced.taxes else ""
    within = ", within the prices" if request.tax_mode is TaxMode.INCLUSIVE else ""
    yield _sum(f"Tax{within}{rounded}"), quote["taxTotal"]


def _total(quote: Quote) -> Iterator[_Row]:
    yield _sum("Total"), f"{quote['grandTotal']} {quote['currency']}"
    for warning in quote.priced.warnings:
        yield Text(f"Warning: {warning}", "yellow"), ""


def _sum(label: str) -> Text:
    return Text(label, "bold")


def _detail(text: Text) -> RenderableType:
    return Padding(text, _INDENT)
