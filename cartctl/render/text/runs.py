"""Runs as text: the report of one, and the list of many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import Any, ClassVar

from rich.table import Table

from cartctl.engine.events import EventKind, RunOutcome
from cartctl.engine.report import History, RunReport
from cartctl.render.amounts import duration
from cartctl.render.command_lines import as_started
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.predicted import compared
from cartctl.render.renderers import renderable
from cartctl.render.text.signoff.table import signoff_table
from cartctl.render.words import BAD, STEP_WORDS, step_counts

OUTCOME_STYLE: Mapping[str, str] = {
    RunOutcome.SUCCEEDED: "bold green",
    RunOutcome.ROLLED_BACK: "bold yellow",
    RunOutcome.FAILED: "bold red",
    RunOutcome.INCONCLUSIVE: "bold magenta",
}
_STEP_STYLE: Mapping[str, str] = {
    EventKind.APPLIED: "green",
    EventKind.RESTORED: "yellow",
    EventKind.SKIPPED: "dim",
    EventKind.FAILED: "bold red",
    EventKind.UNDO_FAILED: "bold red",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's report for a reader who watched it: without the individual steps."""

    kind: ClassVar[str] = "run"

    report: RunReport


@renderable.register
def run_report(result: RunReport) -> RenderableType:
    """Each step with its time and, where it failed or was skipped, the reason; then the summary."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for phase, steps in groupby(result.steps, key=lambda step: step.phase):
        if phase:
            table.add_row(Text(phase, "bold"))
        for step in steps:
            took = "" if step.outcome == EventKind.SKIPPED else duration(step.seconds)
            word = STEP_WORDS.get(step.outcome, step.outcome)
            style = _STEP_STYLE.get(step.outcome, "")
            table.add_row(Text(step.key), Text(word, style), Text(took, "dim"), Text(step.reason))
    signed = (Text(), signoff_table(result.signoffs)) if result.signoffs else ()
    predicted = (Text(), compared(result)) if result.prediction else ()
    return Group(table, *signed, *predicted, summary(Summary(result)))


@renderable.register
def summary(result: Summary) -> RenderableType:
    """Outcome, time, downtime, what went wrong, and the next command."""
    run = result.report
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("run", Text(" ".join(part for part in (run.plan, run.env, run.run) if part)))
    table.add_row("outcome", _outcome(run))
    if run.plan == "rollout":
        table.add_row("rollout", Text(_rolled(run.asked)))
    if run.message:
        table.add_row("cause", Text(run.message))
    if run.started_at:
        table.add_row("started", f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    table.add_row("time", duration(run.seconds))
    table.add_row("downtime", "none" if run.downtime_seconds is None else duration(run.downtime_seconds))
    table.add_row("steps", step_counts(run.steps))
    for step in run.steps:
        if step.outcome in BAD:
            table.add_row("", Text(f"{step.key} {BAD[step.outcome]}", "red"))
    for warning in run.warnings:
        table.add_row("warning", Text(warning, "yellow"))
    for one in run.not_notified:
        table.add_row("not notified", Text(f"{one.name} ({one.step}): {one.reason}", "yellow"))
    if run.saved_rows:
        table.add_row("saved rows", Text(run.saved_rows))
    if run.next_command:
        table.add_row("next", Text(as_started(run.next_command), "bold"))
    return Group(Text(), table)


def _rolled(request: Mapping[str, Any]) -> str:
    """A change of the rollout in words: stage, percentages, companies, reason."""
    text = f"{request.get('action', '')} {request.get('name', '')}".strip()
    if "after" in request:
        before = f"{request['before']} % " if request.get("before") else ""
        text += f", {before}to {request['after']} %"
    if "eligible" in request:
        on, added, removed = (request.get(name, 0) for name in ("enabled", "added", "removed"))
        text += f", {on} of {request['eligible']} companies enabled ({added} added, {removed} removed)"
    return text + (f": {request['why']}" if request.get("why") else "")


@renderable.register
def history(result: History) -> RenderableType:
    """A line per run, newest first."""
    if not result.runs:
        return Text("No runs yet.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("started", "plan", "run", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("time", "downtime"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in result.runs:
        started = f"{run.started_at:%Y-%m-%d %H:%M}" if run.started_at else ""
        down = "" if run.downtime_seconds is None else duration(run.downtime_seconds)
        table.add_row(started, run.plan, run.run, _outcome(run), duration(run.seconds), down)
    damaged = [Text(run.message) for run in result.runs if run.outcome == RunOutcome.UNREADABLE]
    return Group(table, *damaged)


def _outcome(run: RunReport) -> Text:
    return Text(run.outcome.replace("_", " "), OUTCOME_STYLE.get(run.outcome, "bold yellow"))
