"""The rollout as text: the twenty days with today on them, gates, history, previews and flags."""

from datetime import timedelta

from rich.table import Table

from cartctl.engine.events import RunOutcome
from cartctl.engine.model import Checks
from cartctl.plans.rollout.flag_operations import CompanyFlags, FlagList
from cartctl.plans.rollout.status import RolloutStatus, StageRow
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.rollout.allocation import Course, Preview, StagePreview
from cartctl.rollout.record import Step

STYLE = {"past": "green", "now": "bold cyan", "due": "yellow", "coming": "dim"}
MARK = {"past": "=", "now": "#", "due": "!", "coming": "."}
SHOWN = 12  # companies of a stage that are named
LATEST = 15  # steps of the history


@renderable.register
def _status(result: RolloutStatus) -> RenderableType:
    where = result.stage or "before the first stage"
    day = f", day {result.day}" if result.day is not None else ""
    head = Text.assemble(("rollout ", "bold"), result.state, f"{day}: {where}")
    share = "" if result.state == "not started" else f"{result.target_percent.normalize():f} %: "
    enabled = f"{share}{result.enabled} of {result.eligible} eligible companies are enabled"
    date = f" (from {result.next_date})" if result.next_date else ""
    parts: list[RenderableType] = [head, Text(enabled), Text(f"next: {result.next}{date}")]
    if result.held is not None:
        parts.append(Text(f"on hold: {result.held}", "yellow"))
    if result.by_hand:
        parts.append(Text(f"set manually: {', '.join(result.by_hand)}", "yellow"))
    parts += [Text(), _days(result), _timeline(result.timeline)]
    if result.gates:
        parts += [Text(), renderable(Checks(result.gates))]
    if result.history:
        parts += [Text(), _history(result.history[-LATEST:])]
    return Group(*parts)


def _days(result: RolloutStatus) -> RenderableType:
    """A mark for each day, with `today` below its own; dates after the plan's end are written out."""
    line, pointer = Text("  "), "  "
    for row in result.timeline:
        days = (row.last - row.first).days + 1
        line.append(MARK[row.state] * days, STYLE[row.state])
        pointer += "".join(
            "^" if row.first + timedelta(days=day) == result.today else " " for day in range(days)
        )
    today = f"{pointer.rstrip()} today, {result.today}" if "^" in pointer else f"  today is {result.today}"
    return Group(line, Text(today))


def _timeline(rows: tuple[StageRow, ...]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "planned", "share", "state", "entered"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        planned = f"{row.first:%b %d} to {row.last:%b %d}"
        share = f"{row.percent.normalize():f} % of {row.of}" if row.percent else "internal companies only"
        table.add_row(row.stage, planned, share, Text(row.state, STYLE[row.state]), str(row.entered or ""))
    return table


def _history(steps: tuple[Step, ...]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for name in ("when (UTC)", "who", "what", "percent", "on", "why"):
        table.add_column(name, no_wrap=name != "why")
    for step in steps:
        moved = f"{step.before} to {step.after}".removeprefix(" ") if step.after else ""
        counts = f"{step.enabled} of {step.eligible}" if step.eligible else ""
        what = f"{step.action} {step.name}".strip() + (
            "" if step.outcome == RunOutcome.SUCCEEDED else f" ({step.outcome})"
        )
        forced = " (forced)" if step.forced else ""
        table.add_row(
            f"{step.at:%Y-%m-%d %H:%M}" if step.at else "", step.by, what, moved, counts, step.why + forced
        )
    return table


@renderable.register
def _preview(result: Preview) -> RenderableType:
    return Group(
        Text(f"allocation {result.allocation}", "bold"),
        _stages(result.stages, named=True),
        Text(),
        Text(f"allocation {result.other.allocation}, for comparison", "bold"),
        _stages(result.other.stages, named=False),
    )


@renderable.register
def _course(result: Course) -> RenderableType:
    return _stages(result.stages, named=True)


def _stages(stages: tuple[StagePreview, ...], *, named: bool) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "eligible", "target", "enabled", "deviation", "added", "removed"):
        table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
    for one in stages:
        numbers = (one.eligible, one.target, one.enabled, f"{one.deviation:+d}", one.added, one.removed)
        table.add_row(one.stage, *map(str, numbers))
    who = Table.grid(padding=(0, 2))
    who.add_column(no_wrap=True)
    who.add_column(overflow="fold")
    for one in stages:
        if named and one.companies:
            who.add_row(f"added at {one.stage}", _some(one.companies))
    return Group(table, Text(), who) if who.row_count else table


def _some(companies: tuple[str, ...]) -> str:
    more = f" and {len(companies) - SHOWN} more" if len(companies) > SHOWN else ""
    return ", ".join(companies[:SHOWN]) + more


@renderable.register
def _flags(result: FlagList) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    for name in ("flag", "decided by", "plain key"):
        table.add_column(name, no_wrap=name != "decided by")
    for row in result.flags:
        table.add_row(row.name, row.decided, row.plain or "")
    others = f"{result.others} other flags in the same document"
    return Group(Text(result.place, "bold"), table, Text(others, "dim"))


@renderable.register
def _company(result: CompanyFlags) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, on in result.flags.items():
        table.add_row(Text(name), Text("on", "green") if on else Text("off", "dim"))
    return Group(Text(f"{result.company}: {result.reason}", "bold"), table)
