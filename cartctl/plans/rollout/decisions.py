"""Work out, or refuse, what a rollout command would do. Read-only."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from cartctl.config.model.stages import HUNDRED, Stage
from cartctl.engine.model import Checks
from cartctl.errors import CartctlError, Refused, UsageError
from cartctl.plans.rollout.inputs import RolloutInputs
from cartctl.rollout.allocation import setting_for, target
from cartctl.rollout.document import Setting, is_by_hand, put_in, render, write
from cartctl.rollout.evaluation import Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.rollout.record import Step
from cartctl.rollout.recorded_bucketing import BucketingChanged, freeze, refuse_other_library

CONFIRMED = 5  # companies of each kind to confirm with the application
TRIED = 500  # companies that the library evaluates before a document is written
NOBODY = "cartctl-nobody"  # an unknown company: off unless all companies are enabled


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change of the rollout: the step for the journal, the setting it writes (None: none), and the affected companies."""

    kind: ClassVar[str] = "rollout_step"

    step: Step
    setting: Setting | None = None
    values: Mapping[str, Any] | None = None  # written unchanged, instead of a setting
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    expected: Mapping[str, Mapping[str, bool]] = field(
        default_factory=dict
    )  # company → flag → on, to be confirmed


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """Options of a rollout command."""

    why: str = ""
    force: bool = False
    approved_by: str = ""


def propose_start(inputs: RolloutInputs, start: date | None, options: RolloutOptions) -> Proposal:
    """Start with only the internal companies enabled, and record the start date.

    Raises UsageError for a date in the past, Refused while a rollout is running.
    """
    if inputs.record.under_way:
        raise Refused(
            f"A rollout has been running since {inputs.record.start}.",
            hint="Abort it first: cartctl rollout abort",
        )
    begin = start or inputs.ports.env.rollout.start
    if begin is None:
        raise UsageError("missing start date", hint="Use --date YYYY-MM-DD, or set rollout.start.")
    today = inputs.schedule_from(begin).today(inputs.clock())
    if begin < today:
        raise UsageError(
            f"The start date {begin} is in the past; today is {today}.", hint="Use a later --date YYYY-MM-DD."
        )
    refuse_other_library()
    rollout = inputs.ports.env.rollout
    first = inputs.stages[0]
    allocation = rollout.companies.allocation if rollout.companies else "exact"
    setting = Setting(Decimal(0), allocation, (), None, rollout.internal_companies, rollout.seed)
    entered = 0 if begin == today and first.percent == 0 and first.first == 0 else -1
    step = _counted(
        inputs, Step("start", options.why, (today - begin).days, today, entered), setting, options
    )
    name = first.name if entered == 0 else "before the first stage"
    frozen = freeze(rollout.seed).to_json()
    return _proposal(inputs, replace(step, name=name, start=begin, frozen=frozen, before=""), setting)


def propose_stage(
    inputs: RolloutInputs, index: int, options: RolloutOptions, gates: Checks | None
) -> Proposal:
    """Enter a stage. Raises Refused when a company would lose the feature, or without a required approval."""
    stage, now = inputs.stages[index], inputs.clock()
    if stage.signoff and not options.approved_by:
        raise Refused(f"{stage.name} requires approval.", hint="cartctl rollout advance --approved-by NAME")
    setting = setting_for(inputs.ground, stage, _allocation(inputs), inputs.already, _listed(inputs))
    step = Step(
        "advance",
        options.why,
        inputs.schedule.day(now),
        inputs.schedule.today(now),
        index,
        stage.name,
        approved_by=options.approved_by,
    )
    step = _counted(inputs, step, setting, options, stage)
    gate_lines = [f"{one.name}: {one.verdict} ({one.observed})" for one in gates.checks] if gates else []
    proposal = _proposal(inputs, replace(step, gates=gate_lines), setting)
    if proposal.removed:
        raise Refused(
            f"{len(proposal.removed)} companies would lose the feature: {_some(proposal.removed)}.",
            hint="See: cartctl rollout preview",
        )
    return proposal


def propose_percent(inputs: RolloutInputs, percent: Decimal, options: RolloutOptions) -> Proposal:
    """Set a percentage outside the schedule; a lower one keeps the companies that rank first. Raises Refused without `force`."""
    if not options.force:
        raise Refused(
            "A percentage outside the schedule requires --force.",
            hint="Use --force, with the reason in --why.",
        )
    stage = Stage(0, 0, f"{percent.normalize():f}%", percent)
    allocation, ground = _allocation(inputs), inputs.ground
    setting = setting_for(ground, stage, allocation, inputs.already, _listed(inputs))
    count = target(percent, len(ground.companies.ids))
    if count < len(inputs.already):
        cohort = tuple(sorted(ground.buckets.first(inputs.already, count))) if allocation == "exact" else ()
        setting = replace(setting, cohort=cohort)
    now = inputs.clock()
    step = Step("set", options.why, inputs.schedule.day(now), inputs.schedule.today(now), name=stage.name)
    return _proposal(inputs, _counted(inputs, step, setting, options, stage), setting)


def propose_abort(inputs: RolloutInputs, options: RolloutOptions) -> Proposal:
    """Set 0 %; confirm with companies that were enabled, as far as they are known without the database."""
    internal = inputs.ports.env.rollout.internal_companies
    on: list[str] = []
    with suppress(CartctlError):  # an abort does not need the list
        on = sorted(inputs.already)
    expected = {one: dict.fromkeys(FLAGS, one in internal) for one in (*internal[:1], *on[:8], NOBODY)}
    now = inputs.clock()
    step = Step("abort", options.why, None, now.date(), after="0", removed=len(on))
    with suppress(CartctlError):
        step = replace(
            step, before=inputs.record.percent, day=inputs.schedule.day(now), on=inputs.schedule.today(now)
        )
    return Proposal(step, Setting(internal=internal), None, (), tuple(on), expected)


def propose_hold_or_resume(inputs: RolloutInputs, action: str, options: RolloutOptions) -> Proposal:
    """Record `hold` or `resume`; no flag changes. Raises Refused when that is already the state."""
    on_hold = inputs.standing.held is not None
    if not inputs.record.under_way or on_hold == (action == "hold"):
        state = "aborted" if not inputs.record.under_way else "already on hold" if on_hold else "not on hold"
        raise Refused(f"The rollout is {state}.", hint="See: cartctl rollout status")
    now = inputs.clock()
    return Proposal(Step(action, options.why, inputs.schedule.day(now), inputs.schedule.today(now)))


def values_for(setting: Setting, before: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a setting, except for flags that were set manually."""
    rendered = render(setting)
    hands = {name for name in FLAGS if is_by_hand(before.get(name))}
    return {name: before[name] if name.rpartition("/")[2] in hands else rendered.get(name) for name in before}


def _listed(inputs: RolloutInputs) -> tuple[str, ...]:
    """The cohort as last written."""
    return inputs.setting.cohort if inputs.setting is not None and inputs.record.under_way else ()


def _allocation(inputs: RolloutInputs) -> Any:
    companies = inputs.ports.env.rollout.companies
    return companies.allocation if companies else "exact"


def _counted(
    inputs: RolloutInputs, step: Step, setting: Setting, options: RolloutOptions, stage: Stage | None = None
) -> Step:
    pool = inputs.companies.pool(beta=stage.beta if stage else False)
    now = setting.members(inputs.companies.ids, inputs.ground.buckets)
    return replace(
        step,
        before=inputs.record.percent,
        after=f"{setting.percent.normalize():f}",
        of="beta companies" if stage and stage.beta else "companies",
        allocation=setting.allocation,
        eligible=len(pool),
        target=target(setting.percent, len(pool)),
        enabled=len(now),
        added=len(now - inputs.already),
        removed=len(inputs.already - now),
        forced=options.force,
    )


def _proposal(inputs: RolloutInputs, step: Step, setting: Setting) -> Proposal:
    """A proposal whose document was evaluated with the library first. Raises StepFailed for a document that is too large."""
    _refuse_unshared(setting, inputs)
    now = setting.members(inputs.companies.ids, inputs.ground.buckets)
    added, removed = sorted(now - inputs.already), sorted(inputs.already - now)
    values = values_for(setting, inputs.values)
    document = put_in(inputs.document, values)
    write(document, "a ConfigMap")
    evaluation = Evaluation(document)
    rest = (one for one in inputs.companies.ids if one not in now)
    for one in _first(TRIED, [*added, *removed, *rest, *now]):
        if evaluation.on(inputs.flag, one) is not (one in now):
            raise BucketingChanged(
                f"The flag library evaluates differently than expected, for example for {one}.",
                hint="Nothing was written. Install the openfeature-flagd-core version that cartctl requires.",
            )
    outside = [one for one in inputs.companies.ids if one not in now]
    some = [*setting.internal[:1], *added[:CONFIRMED], *_first(CONFIRMED, [*removed, *outside])]
    return Proposal(step, setting, None, tuple(added), tuple(removed), expected_flags(inputs, values, some))


def expected_flags(
    inputs: RolloutInputs, values: Mapping[str, Any], companies: Iterable[str]
) -> dict[str, dict[str, bool]]:
    """Evaluate companies with these values: company → each defined flag → on."""
    evaluation = Evaluation(put_in(inputs.document, values))
    defined = [name for name in FLAGS if {**inputs.values, **values}.get(name) is not None]
    return {company: {name: evaluation.on(name, company) for name in defined} for company in companies}


def _refuse_unshared(setting: Setting, inputs: RolloutInputs) -> None:
    """Raise Refused for ids that libraries in other languages hash differently: with a share, results would differ."""
    odd = [one for one in inputs.companies.ids if not one.isascii()]
    if odd and setting.allocation == "fractional" and 0 < setting.percent < HUNDRED:
        raise Refused(
            f"{len(odd)} companies have non-ASCII ids, which other languages hash differently: {_some(odd)}.",
            hint='Set rollout.companies.allocation = "exact".',
        )


def _first(count: int, some: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(some))[:count]


def _some(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - CONFIRMED} more" if len(known) > CONFIRMED else ""
    return ", ".join(known[:CONFIRMED]) + more
