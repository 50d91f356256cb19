"""A run's report as Markdown, for a ticket or a job summary: header, steps with their reasons, warnings, next command."""

import re
from collections.abc import Iterator
from typing import TextIO

from cartctl.engine.events import EventKind
from cartctl.engine.report import RunReport, StepReport
from cartctl.render.amounts import duration
from cartctl.render.output import Ready
from cartctl.render.predicted import compared_rows
from cartctl.render.safe_text import safe
from cartctl.render.words import STEP_WORDS, step_counts

MAX_CHARACTERS = 500  # characters of a cell


def write(report: RunReport, stream: TextIO) -> None:
    """The report on a stream; all text from outside is escaped."""
    stream.write(Ready("".join(f"{line}\n" for line in _lines(report))))


def cell(value: object) -> str:
    """A value in one cell: no markup, no line ends, no secrets."""
    text = " ".join(safe(f"{value}").split())
    text = text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
    return re.sub(r"[&<>|`\[\]*_~\\!#@]", lambda mark: f"&#{ord(mark[0])};", text)


def _lines(run: RunReport) -> Iterator[str]:
    yield f"## {cell(run.plan)} {cell(run.env)}: {cell(run.outcome.replace('_', ' '))}"
    yield ""
    for name, value in _facts(run):
        yield f"- **{name}**: {cell(value)}"
    for warning in run.warnings:
        yield f"- **warning**: {cell(warning)}"
    for one in run.not_notified:
        yield f"- **not notified**: {cell(f'{one.name} ({one.step}): {one.reason}')}"
    yield from ("", "| phase | step | outcome | time | reason |", "|---|---|---|---:|---|")
    for step in run.steps:
        yield _row(step)
    if run.prediction:
        yield from ("", "| | expected | measured | source |", "|---|---:|---:|---|")
        yield from _predicted(run)
        if run.prediction.irreversible:
            yield from ("", "Not reverted by a rollback:", "")
            yield from (f"- {cell(one)}" for one in run.prediction.irreversible)


def _facts(run: RunReport) -> Iterator[tuple[str, str]]:
    yield "run", run.run
    if run.started_at:
        yield "started", f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if run.message:
        yield "cause", run.message
    yield "time", duration(run.seconds)
    yield "downtime", "none" if run.downtime_seconds is None else duration(run.downtime_seconds)
    yield "steps", step_counts(run.steps)
    if run.saved_rows:
        yield "saved rows", run.saved_rows
    if run.next_command:
        yield "next", run.next_command


def _predicted(run: RunReport) -> Iterator[str]:
    for row in compared_rows(run):
        times = ("" if value is None else duration(value) for value in (row.expected, row.measured))
        yield f"| {' | '.join(cell(value) for value in (row.name, *times, row.source))} |"


def _row(step: StepReport) -> str:
    took = "" if step.outcome == EventKind.SKIPPED else duration(step.seconds)
    cells = (step.phase, step.key, STEP_WORDS.get(step.outcome, step.outcome), took, step.reason)
    return f"| {' | '.join(cell(value) for value in cells)} |"
