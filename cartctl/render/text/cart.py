"""A company's cart statistics, and the results of the cart's jobs, as text."""

from decimal import Decimal

from rich.table import Table

from cartctl.cart.store.batches import CartJob
from cartctl.cart.store.cart_statistics import OverviewRow, StatsReport
from cartctl.cart.store.jobs import RecoveryClaim
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable

_LABELS = {
    "expired": "expired carts",
    "abandoned": "inactive carts",
    "claimed": "carts due for a recovery mail",
    "sessions_expired": "expired sessions",
}


@renderable.register
def _job(result: CartJob) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for outcome, count in result.counts.items():
        table.add_row(
            Text(str(count), "bold"), Text(_LABELS[outcome]), Text("done" if result.applied else "due")
        )
    summary = f"{result.batches} batches in {result.seconds:.2f} s." if result.applied else "--apply writes."
    return Group(table, Text(summary, "dim"))


@renderable.register
def _claim(result: RecoveryClaim) -> RenderableType:
    names = (result.cart_id, result.company_id, result.customer_id)
    return Text("  ".join(("claimed", *names, f"{result.abandoned_at:%Y-%m-%d %H:%M:%S} UTC")))


@renderable.register
def _report(result: StatsReport) -> RenderableType:
    counts = Table.grid(padding=(0, 2))
    counts.add_column()
    counts.add_column(justify="right")
    for status, count in result.counts.items():
        counts.add_row(Text(status.value.lower()), Text(f"{count:,}"))
    counts.add_row(Text("all", "bold"), Text(f"{result.total:,}", "bold"))
    for code, value in result.values.items():
        counts.add_row(Text(f"value in {code}"), Text(f"{value:,}"))
    heading = Text(f"\nCarts created {result.begin:%Y-%m-%d} to {result.end:%Y-%m-%d}", "bold")
    return Group(counts, heading, _overviews(result.overviews)) if result.overviews else counts


def _overviews(rows: list[OverviewRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("currency", "site type"):
        table.add_column(name)
    for name in ("carts", "converted", "abandoned", "recovered", "by mail", "average order"):
        table.add_column(name, justify="right")
    for row in rows:
        overview = row.overview
        ratios = (overview.conversion, overview.abandonment, overview.recovery, overview.attributed_recovery)
        order_value = "-" if overview.aov is None else f"{overview.aov:,}"
        kind = "all" if row.site_type is None else row.site_type.value.lower()
        table.add_row(Text(row.currency), kind, f"{overview.carts:,}", *map(_percent, ratios), order_value)
    return table


def _percent(share: Decimal | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"
