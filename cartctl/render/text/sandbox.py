"""A sandbox's status as text: addresses, files, and what runs."""

from rich.table import Table

from cartctl.measurements import latency
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.sandbox.data.fill import Seeded
from cartctl.sandbox.load import Loaded
from cartctl.sandbox.status import SandboxStatus

STYLE = {"up": "bold green", "degraded": "bold yellow", "down": "bold"}


@renderable.register
def _sandbox(result: SandboxStatus) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("sandbox", Text(result.name) + Text(" ") + Text(result.state, STYLE[result.state]))
    places = {
        "api": result.api_url,
        "dashboard": result.dashboard_url,
        "prometheus": result.prometheus_url,
        "database": result.dsn,
        "token": result.token_file if result.token_file.exists() else None,
        "flags": result.flags_file if result.flags_file.exists() else None,
        "config": result.config if result.config.exists() else None,
    }
    for label, place in places.items():
        facts.add_row(label, Text(str(place) if place else "-", overflow="fold"))
    return Group(facts, Text(), _deployments(result)) if result.deployments else facts


@renderable.register
def _seeded(result: Seeded) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    for count, what in ((result.carts, "carts"), (result.items, "lines"), (result.companies, "companies")):
        table.add_row(Text(f"{count:,}", "bold"), Text(what))
    summary = (
        f"Seed {result.seed}, up to {result.until:%Y-%m-%d %H:%M} UTC. Rows {result.copy_seconds:.1f} s "
        f"({result.carts_per_second:,} carts/s), with indexes and statistics {result.seconds:.1f} s."
    )
    return Group(table, Text(summary, "dim"))


@renderable.register
def _loaded(result: Loaded) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for who, times in {"all": result.latency, **result.by_visitor}.items():
        table.add_row(who, *map(_milliseconds, (times.p50, times.p95, times.p99, times.max)))
    share = f"{result.error_rate * 100:.2f} % errors"
    summary = Text(f"{result.requests:,} requests in {result.seconds:.1f} s, {result.rps:g} a second, ")
    summary.append(share, "bold red" if result.errors else "green")
    wrong = ", ".join(f"{count} x {status}" for status, count in result.statuses.items() if status != "200")
    return Group(summary, *([Text(wrong, "red")] if wrong else []), table)


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else latency(seconds)


def _deployments(result: SandboxStatus) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("deployment", "image", "revision", "ready"):
        table.add_column(heading)
    for deployment in result.deployments:
        table.add_row(
            deployment.name,
            deployment.image,
            deployment.revision,
            f"{deployment.ready}/{deployment.replicas}",
        )
    return table
