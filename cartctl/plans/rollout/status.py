"""The results of `rollout status` and `rollout preview`. Read-only."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import ClassVar

from cartctl.engine.events import EFFECTIVE
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.plans.rollout.inputs import RolloutInputs
from cartctl.plans.rollout.operations import check_gates
from cartctl.rollout.allocation import Preview, preview
from cartctl.rollout.document import is_by_hand
from cartctl.rollout.flag_names import FLAGS
from cartctl.rollout.record import Step


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage of the schedule: its planned dates, whether it is past, now, due or coming, and when it was entered."""

    stage: str
    first: date
    last: date
    percent: Decimal
    of: str
    state: str
    entered: date | None = None


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """The status of the rollout. `enabled` counts the enabled companies of `eligible`, without the internal ones."""

    kind: ClassVar[str] = "rollout"

    state: str  # not started | running | held | aborted | complete
    day: int | None
    stage: str
    target_percent: Decimal
    enabled: int
    eligible: int
    gates: tuple[CheckResult, ...]
    next: str
    next_date: date | None
    start: date | None
    today: date
    held: str | None
    by_hand: tuple[str, ...]
    timeline: tuple[StageRow, ...]
    history: tuple[Step, ...]


def status(inputs: RolloutInputs, pulse: Pulse, *, gates: bool) -> RolloutStatus:
    """The status of the rollout; `gates` also checks the gates, which takes seconds. Raises Refused without a start date."""
    record, standing, schedule = inputs.record, inputs.record.standing, inputs.schedule
    now = inputs.clock()
    due = schedule.due(standing, now) if standing and record.under_way else None
    gate_results = check_gates(inputs, pulse)[0].checks if gates and record.under_way else ()
    at = standing.stage if standing else -1
    coming = inputs.stages[at + 1].name if record.under_way and at + 1 < len(inputs.stages) else ""
    upcoming = (
        f"{coming} is due now"
        if due and due.stage is not None
        else due.why
        if due
        else "cartctl rollout start"
    )
    return RolloutStatus(
        state=_state(inputs),
        day=schedule.day(now) if record.start else None,
        stage=inputs.stages[at].name if at >= 0 else "",
        target_percent=Decimal(record.percent),
        enabled=len(inputs.already),
        eligible=len(inputs.companies.pool(beta=record.of == "beta companies")),
        gates=tuple(gate_results),
        next=upcoming,
        next_date=schedule.earliest(standing)
        if standing and record.under_way and not standing.held
        else None,
        start=record.start,
        today=schedule.today(now),
        held=standing.held if standing else None,
        by_hand=tuple(name for name in FLAGS if is_by_hand(inputs.values.get(name))),
        timeline=tuple(_rows(inputs)),
        history=record.history,
    )


def _state(inputs: RolloutInputs) -> str:
    standing = inputs.record.standing
    if standing is None:
        return "not started"
    if standing.aborted:
        return "aborted"
    if standing.held is not None:
        return "held"
    return "complete" if standing.stage == len(inputs.stages) - 1 else "running"


def _rows(inputs: RolloutInputs) -> list[StageRow]:
    standing, schedule = inputs.record.standing, inputs.schedule
    at = standing.stage if standing and inputs.record.under_way else -1
    planned = schedule.planned(schedule.day(inputs.clock())) if inputs.record.under_way else -1
    entered: dict[int, date] = {}
    for step in inputs.record.history:
        if step.action == "start":
            entered.clear()
        if step.stage is not None and step.on is not None and step.outcome in EFFECTIVE:
            entered[step.stage] = step.on
    rows = []
    for number, stage in enumerate(inputs.stages):
        state = "past" if number < at else "now" if number == at else "due" if number <= planned else "coming"
        first, last = (schedule.start + timedelta(days=day) for day in (stage.first, stage.last))
        of = "beta companies" if stage.beta else "companies"
        rows.append(StageRow(stage.name, first, last, stage.percent, of, state, entered.get(number)))
    return rows


def preview_all(inputs: RolloutInputs) -> Preview:
    """Preview the remaining stages with both allocations; all stages before a rollout has started."""
    companies = inputs.ports.env.rollout.companies
    allocation = companies.allocation if companies else "exact"
    standing = inputs.record.standing if inputs.record.under_way else None
    coming = inputs.stages[max(0, standing.stage) if standing else 0 :]
    return preview(inputs.ground, coming, allocation, inputs.already if standing else frozenset())
