"""The commands of `cartctl flags`: list, evaluate, set one flag manually, undo the last change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Literal

from cartctl.config.keys import did_you_mean
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.report import RunReport
from cartctl.engine.state import State
from cartctl.engine.view import View
from cartctl.errors import Refused, UsageError
from cartctl.plans.execution import step_factories
from cartctl.plans.rollout.decisions import NOBODY, Proposal, RolloutOptions, expected_flags
from cartctl.plans.rollout.inputs import Clock, RolloutInputs
from cartctl.plans.rollout.run import change
from cartctl.ports import Ports
from cartctl.rollout.document import EVALUATOR, PLAIN, Setting, is_by_hand, read_setting, render, set_by_hand
from cartctl.rollout.evaluation import Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.rollout.record import PLAN, Step

To = Literal["on", "off", "rollout"]


@dataclass(frozen=True, slots=True)
class CompanyFlags:
    """The flags of one company, and the reason for their values."""

    kind: ClassVar[str] = "flags"

    company: str
    flags: Mapping[str, bool]
    reason: str


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One of the cart's flags: what controls it, and its value for a company that is not listed."""

    name: str
    decided: str
    plain: str | None


@dataclass(frozen=True, slots=True)
class FlagList:
    """The cart's flags, and the number of other flags in the same document."""

    kind: ClassVar[str] = "flag_list"

    place: str
    flags: tuple[FlagRow, ...]
    others: int


def list_flags(inputs: RolloutInputs) -> FlagList:
    """List the cart's flags. Read-only."""
    rows = tuple(FlagRow(name, _decided(inputs, name), inputs.values.get(PLAIN + name)) for name in FLAGS)
    others = sum(name not in FLAGS for name in inputs.document.get("flags", {}))
    return FlagList(step_factories.flag_store(inputs.ports).place, rows, others)


def evaluate(inputs: RolloutInputs, company: str) -> CompanyFlags:
    """Evaluate the flags for a company. Read-only. Raises UsageError for an unknown company."""
    rollout = inputs.ports.env.rollout
    known = (
        rollout.companies is None or company in rollout.internal_companies or company in inputs.companies.ids
    )
    if not known:
        raise UsageError(f"unknown company '{company}'", hint="Use an id from rollout.companies.")
    evaluation = Evaluation(inputs.document)
    flags = {name: evaluation.on(name, company) for name in FLAGS}
    return CompanyFlags(
        company, flags, _reason(inputs.setting, company, evaluation.reason(FLAGS[0], company))
    )


def set_flag(
    ports: Ports, flag: str, to: To, options: RolloutOptions, view: View, *, clock: Clock | None = None
) -> RunReport | None:
    """Set one flag on or off for all companies, or back to the rollout. Raises UsageError for an unknown flag."""
    if flag not in FLAGS:
        raise UsageError(
            f"unknown flag '{flag}'{did_you_mean(flag, FLAGS)}", hint=f"Flags: {', '.join(FLAGS)}."
        )
    return change(ports, lambda inputs, _: _by_hand(inputs, flag, to, options), view, clock=clock)


def undo(
    ports: Ports, options: RolloutOptions, view: View, *, clock: Clock | None = None
) -> RunReport | None:
    """Revert the newest change of the flags. Raises Refused when they were modified externally since."""
    return change(ports, lambda inputs, _: _undoing(inputs, options), view, clock=clock)


def _by_hand(inputs: RolloutInputs, flag: str, to: To, options: RolloutOptions) -> Proposal:
    setting = inputs.setting or Setting(internal=inputs.ports.env.rollout.internal_companies)
    followed = render(setting)
    value = followed[flag] if to == "rollout" else set_by_hand(to == "on")
    values = {flag: value}
    if to == "rollout":
        values[EVALUATOR] = followed[EVALUATOR]
    if step_factories.flag_store(inputs.ports).keeps_plain:
        values[PLAIN + flag] = (
            followed[PLAIN + flag] if to == "rollout" else "true" if to == "on" else "false"
        )
    now = inputs.clock()
    step = Step(f"flags set {to}", options.why, on=now.date(), name=flag)
    return Proposal(
        step, None, values, expected=expected_flags(inputs, values, _companies_to_confirm(inputs))
    )


def _undoing(inputs: RolloutInputs, options: RolloutOptions) -> Proposal:
    state, step = _newest(inputs)
    evidence = state.evidence["flags"]
    moved = [name for name in evidence.names if evidence.to[-1].get(name) != evidence.before.get(name)]
    other = [name for name in moved if inputs.values.get(name) != evidence.to[-1].get(name)]
    if other:
        raise ModifiedExternally(
            f"{', '.join(other)} was modified externally since run {state.run}.",
            hint="See: cartctl flags list",
        )
    back: dict[str, Any] = {name: evidence.before.get(name) for name in moved}
    setting = read_setting({**inputs.values, **back})
    percent = setting.percent if setting else Decimal(step.before or 0)
    stage = None if step.stage is None or step.action == "start" else step.stage - 1
    undo_step = Step(
        "flags undo",
        options.why or f"run {state.run}",
        on=inputs.clock().date(),
        stage=stage,
        undoes=step.action,
    )
    undo_step = replace(undo_step, before=inputs.record.percent, after=f"{percent.normalize():f}")
    return Proposal(
        undo_step, None, back, expected=expected_flags(inputs, back, _companies_to_confirm(inputs))
    )


def _companies_to_confirm(inputs: RolloutInputs) -> tuple[str, ...]:
    """Sample companies: an internal one, an unknown one and some known ones."""
    rollout = inputs.ports.env.rollout
    some = inputs.companies.ids[:: max(1, len(inputs.companies.ids) // 8)] if rollout.companies else ()
    return (*rollout.internal_companies[:1], NOBODY, *some)


def _newest(inputs: RolloutInputs) -> tuple[State, Step]:
    """The newest run of the rollout whose flag changes are in effect."""
    for step in reversed(inputs.record.history):
        state = inputs.journals.state(step.run)
        if state.plan == PLAN and state.finished and "flags" in state.evidence:
            if step.action == "start":
                raise Refused(
                    "The latest change is the start of the rollout.",
                    hint="Stop the rollout: cartctl rollout abort",
                )
            return state, step
    raise Refused("No flag changes by cartctl to undo.", hint="See: cartctl flags list")


def _decided(inputs: RolloutInputs, name: str) -> str:
    definition = inputs.values.get(name)
    if definition is None:
        return "not defined"
    if not isinstance(definition, Mapping):
        return f"nothing: invalid definition ({definition!r})"
    if is_by_hand(definition):
        return f"{definition.get('defaultVariant')} for everybody, set manually"
    setting = inputs.setting
    if setting is None:
        return f"not by cartctl (its default is {definition.get('defaultVariant')})"
    of = "companies" if setting.beta is None else "beta companies"
    return f"rollout, {setting.percent.normalize():f} % of {of}, {setting.allocation}"


def _reason(setting: Setting | None, company: str, word: str) -> str:
    if setting is None:
        return f"not decided by cartctl: {word}"
    if company in setting.internal:
        return "internal company"
    if company in setting.cohort:
        return "in the cohort"
    if setting.everybody:
        return "all companies are enabled"
    share = f"{setting.percent.normalize():f} %"
    return (
        f"by its bucket among {share}" if setting.allocation == "fractional" else f"{word}: {share}, by list"
    )
