"""The 20-day rollout on a page: its steps as rows, and the percentage of companies over the days."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from markupsafe import Markup

from cartctl.engine.events import EFFECTIVE
from cartctl.plans.reports.run_record import RunRecord
from cartctl.render.html.charts import days_axis, steps_chart


def rollout_rows(record: RunRecord) -> list[Mapping[str, Any]]:
    """Each change of the rollout: stage, percentage, companies, who and why; oldest first."""
    steps = record.rollout.history if record.rollout else ()
    return [
        {
            "at": step.at,
            "action": step.action,
            "stage": step.name,
            "percent": f"{step.before or 0} → {step.after} %" if step.after else "",
            "companies": f"{step.enabled} of {step.eligible} (+{step.added}, -{step.removed})"
            if step.eligible
            else "",
            "by": step.by,
            "why": step.why,
            "outcome": step.outcome.replace("_", " "),
            "this": step.run == record.report.run,
        }
        for step in steps
    ]


def rollout_chart(record: RunRecord) -> Markup | None:
    """The percentage over the days, as planned and as it was; None without a rollout."""
    rollout = record.rollout
    if rollout is None or rollout.start is None:
        return None
    planned = [(rollout.start + timedelta(days=stage.first), stage.percent) for stage in record.stages]
    planned += [(rollout.start + timedelta(days=stage.last), stage.percent) for stage in record.stages[-1:]]
    actual = [
        (step.at, step.after)
        for step in rollout.history
        if step.after and step.at is not None and step.outcome in EFFECTIVE
    ]
    values = [
        {"t": at.isoformat(), "v": float(percent), "line": line}
        for line, points in (("planned", planned), ("actual", actual))
        for at, percent in points
    ]
    return steps_chart(values, "line", days_axis(), title="% of companies")
