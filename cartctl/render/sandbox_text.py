"""A sandbox's status for people: where everything is, and what runs."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cartctl.render.text import renderable
from cartctl.sandbox.fill import Seeded
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
    told = (
        f"Seed {result.seed}, up to {result.until:%Y-%m-%d %H:%M} UTC. Rows {result.copy_seconds:.1f} s "
        f"({result.carts_per_second:,} carts/s), with indexes and statistics {result.seconds:.1f} s."
    )
    return Group(table, Text(told, "dim"))


def _deployments(result: SandboxStatus) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("deployment", "image", "revision", "ready"):
        table.add_column(heading)
    for found in result.deployments:
        table.add_row(found.name, found.image, found.revision, f"{found.ready}/{found.replicas}")
    return table
