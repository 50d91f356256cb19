"""A run's report as one page: gathers its sections and fills the template.

The page has no scripts and loads nothing; its Content-Security-Policy allows its own style sheet alone, by hash.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from cartctl import __version__
from cartctl.engine.events import RunOutcome
from cartctl.engine.report import maintenance_intervals
from cartctl.plans.reports.run_record import RunRecord
from cartctl.render.amounts import duration
from cartctl.render.html import charts, sections
from cartctl.render.html.commands import commands
from cartctl.render.html.destination import write_all_at_once
from cartctl.render.html.rollout import rollout_chart, rollout_rows
from cartctl.render.html.timeline import Timeline, timeline
from cartctl.render.predicted import compared_rows
from cartctl.render.safe_text import safe
from cartctl.render.words import step_counts

TEMPLATES = Path(__file__).parent / "templates"
TITLES = {
    "deploy": "Deployment to",
    "rollback": "Rollback in",
    "rollout": "Rollout in",
    "rehearse": "Rehearsal for",
}
TONES = {RunOutcome.SUCCEEDED: "good", RunOutcome.ROLLED_BACK: "warn", RunOutcome.FAILED: "bad"}
METRIC_TITLES = {
    "db_connections": "Database connections",
    "db_latency_p95": "Query latency p95",
    "error_rate": "API error rate",
    "api_latency_p95": "API latency p95",
}


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A page that was written: the run, the file and its size."""

    kind: ClassVar[str] = "written_report"

    run: str
    file: Path
    bytes: int


def write_page(record: RunRecord, path: Path) -> WrittenReport:
    """Write the page of a run, all at once. Raises UsageError if the file cannot be written."""
    text = render_page(record)
    write_all_at_once(path, text)
    return WrittenReport(record.report.run, path, len(text.encode()))


def render_page(record: RunRecord) -> str:
    """The page as text. Every value is escaped, redacted and without control characters."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=ChainableUndefined,  # journals of other versions lack fields
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "clock": _clock, "moment": _moment}
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = environment.get_template("report.html.jinja")
    return template.render(style=Markup(style), style_hash=digest, **_content(record))  # noqa: S704 - our own file


def _content(record: RunRecord) -> dict[str, Any]:
    run, tables = record.report, sections.check_tables(record.events)
    line = timeline(record.events)
    return {
        "run": run,
        "title": f"{TITLES.get(run.plan, run.plan.capitalize())} {run.env}",
        "tone": TONES.get(RunOutcome(run.outcome), "unknown"),
        "started": record.started,
        "timeline": line,
        "measured": _measured(record),
        "compared": list(compared_rows(run)),
        "irreversible": run.prediction.irreversible if run.prediction else (),
        "steps": step_counts(run.steps),
        "changes": sections.changes(record.events),
        "checks": tables,
        "groups": sections.log_groups(tables),
        "commands": list(commands(run, record.started)),
        "rollout": rollout_rows(record),
        "rollout_chart": rollout_chart(record),
        "written": datetime.now(UTC),
        "version": __version__,
        **_monitored(record, line),
    }


def _monitored(record: RunRecord, line: Timeline) -> dict[str, Any]:
    samples = record.samples
    if samples is None or not samples.samples:
        return {"metrics": (), "replicas": None, "triggers": (), "samples_missing": record.samples_missing}
    maintenance = [
        charts.Interval(begin, end or line.end, "maintenance")
        for begin, end in maintenance_intervals(record.events)
    ]
    shaded = [*maintenance, *sections.trigger_intervals(samples)]
    metrics = [
        (
            METRIC_TITLES.get(name, name),
            sections.metric_row(samples, name),
            charts.metric_chart(samples, name, shaded),
        )
        for name in sections.metric_names(samples)
    ]
    replicas = (
        charts.replicas_chart(samples, maintenance) if any(s.replicas for s in samples.samples) else None
    )
    return {
        "metrics": metrics,
        "replicas": replicas,
        "triggers": sections.trigger_rows(samples),
        "samples_missing": "",
    }


def _measured(record: RunRecord) -> list[Mapping[str, Any]]:
    """Expected and measured durations in seconds; the total without monitoring."""
    run = record.report
    if run.plan != "deploy":
        return []
    monitored = sum(step.seconds for step in run.steps if step.key == "monitor")
    rows = (
        ("time without monitoring", record.expected_total, run.seconds - monitored),
        ("downtime, configured limit", record.expected_downtime, run.downtime_seconds),
    )
    return [_row(name, limit, seconds) for name, limit, seconds in rows]


def _row(name: str, limit: timedelta, seconds: float | None) -> Mapping[str, Any]:
    most = limit.total_seconds()
    return {
        "name": name,
        "limit": True,
        "expected": most,
        "measured": seconds,
        "exceeded": (seconds or 0.0) > most,
    }


def _shown(value: Any) -> Any:
    return value if isinstance(value, Markup) else safe("" if value is None else str(value))


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
