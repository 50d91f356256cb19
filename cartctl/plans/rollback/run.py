"""Roll back a deployment: select its run, stop a running one, and work without the database if necessary."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from shlex import quote
from typing import ClassVar

from cartctl.adapters.postgres import SqlFailed
from cartctl.config.model.environment import Environment
from cartctl.database.drop.consent import refuse_nothing, require
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.events import EFFECTIVE, RUN, Event, EventKind, RunOutcome
from cartctl.engine.lock import Lock, RunLock, find_holder, hand_over, holder_of
from cartctl.engine.model import Checks, Evidence
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport, saved_rows
from cartctl.engine.runner import NextCommands
from cartctl.engine.signals import interruptible
from cartctl.engine.state import State, new_run_id
from cartctl.engine.view import View
from cartctl.errors import Locked, OperatorNeeded, Refused
from cartctl.plans.database.checks import drop_checks, refuse_bad, relax_for_read_only
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.change_registry import kinds as known_kinds
from cartctl.plans.execution.execute import RunSpec, execute_plan
from cartctl.plans.execution.journal_file import read_journal_file
from cartctl.plans.execution.journals import Journals, open_journals
from cartctl.plans.execution.phases import Phase
from cartctl.plans.execution.preview import Plan, preview
from cartctl.plans.rollback.plan import RollbackOptions, blocked, rollback
from cartctl.plans.rollback.selection import newest_change, released, select, with_tables
from cartctl.ports import Ports

PLAN = "rollback"
STOPS_WITHIN = 60.0  # seconds; a running deployment acknowledges within 5 s, then finishes its step


def roll_back(ports: Ports, options: RollbackOptions, view: View, say: Callable[[str], None]) -> RunReport:
    """Roll back, or resume an interrupted rollback.

    Raises Refused when there is nothing to roll back, Locked while another rollback is running.
    """
    if reasons := blocked(ports, options):
        raise Refused(" ".join(reasons))
    pulse, stopped = Pulse(progress=view.progress), False
    with interruptible(pulse), open_journals(ports, without_database=not options.database) as journals:
        if journals.main is None:
            say("The database is unreachable: rolling back only the code, with the lock of the cluster.")
        else:
            stopped = _stop_running(ports, journals, options, pulse, say)
        state, deployment = choose(journals, options)
        with _locked(ports, journals, state, pulse) as lock:
            results = journals.origin(deployment)
            state.results |= {name: results[name] for name in ("fingerprint", "migrate") if name in results}
            phases = rollback(ports, state.results, options, state.inherited)
            if state.started is None:
                _refuse_blocked(ports, phases, state, stopped=stopped)
            spec = RunSpec(
                PLAN,
                phases,
                facts={"database": options.database},
                of=deployment.run,
                on_failure=OnFailure.CONTINUE,
                next_commands=_next_commands(ports.env, options, state),
            )
            report = execute_plan(spec, state, ports, journals, lock=lock, pulse=pulse, view=view)
        if "cluster" in ports.env.sections:  # else the code is not rolled back
            for run in (deployment, *journals.since(deployment)):
                _end_of(run, report, journals)
    return report


@dataclass(frozen=True, slots=True)
class ImageMove:
    """The image of one container, now and after the rollback."""

    name: str
    now: str
    then: str

    def __str__(self) -> str:
        return f"{self.name} {self.now} → {self.then}"


@dataclass(frozen=True, slots=True)
class RollbackPreview:
    """What a rollback would do: the run, its plan and, with `--database`, what it would drop."""

    kind: ClassVar[str] = "rollback_plan"

    taken_back: str
    plan: Plan
    database: DropPlan | None
    started_at: datetime | None = None
    images: tuple[ImageMove, ...] = ()
    checks: Checks = field(default_factory=Checks)  # of the database, before the drop

    def __str__(self) -> str:
        """The run, its time and the images, as one line."""
        time = f" of {self.started_at:%Y-%m-%d %H:%M} UTC" if self.started_at else ""
        moves = ", ".join(str(move) for move in self.images) or "no image changes"
        return f"run {self.taken_back}{time} ({moves})"

    @property
    def rows(self) -> int:
        """Rows that the tables hold."""
        return self.database.rows if self.database else 0

    def refuse_unfit(self, *, allow_data_loss: bool) -> None:
        """Raise Refused, before the first step, for what would leave a mix of versions or stop the drop."""
        self.plan.refuse_blocked()
        if self.database:
            require(self.database, allow_data_loss=allow_data_loss)
            if self.checks.checks:
                refuse_bad(self.checks)


def preview_rollback(ports: Ports, options: RollbackOptions, *, only_shown: bool = False) -> RollbackPreview:
    """Preview a rollback. Read-only. Raises what the rollback itself would refuse.

    With `only_shown`, missing write rights are warnings.
    """
    with open_journals(ports, without_database=not options.database, read_only=True) as journals:
        state, deployment = choose(journals, options)
        results = journals.origin(deployment)
    drop = step_factories.drop_plan(ports, results, options.allowed) if options.database else None
    if drop and state.started is None:
        refuse_nothing(drop)
    phases = rollback(ports, results, options, state.inherited)
    plan = preview(PLAN, ports.env.name, phases, state.evidence, known_kinds(ports))
    plan = replace(plan, blocked=(*plan.blocked, *blocked(ports, options)))
    began = deployment.started.at if deployment.started else None
    checks = drop_checks(ports, drop, Pulse()) if drop and not drop.empty else Checks()
    checks = relax_for_read_only(ports, checks) if only_shown else checks
    return RollbackPreview(deployment.run, plan, drop, began, _images(plan, state.evidence), checks)


def _images(plan: Plan, evidence: Mapping[str, Evidence]) -> tuple[ImageMove, ...]:
    """From the image requested now (or then, when that cannot be observed) to the image of the evidence."""
    now = {
        name: str(value["ref"])
        for row in plan.rows
        for name, value in (row.before or {}).items()
        if isinstance(value, Mapping) and "ref" in value
    }
    moves = (ImageMove(name, now.get(name, to), before) for name, (before, to) in released(evidence).items())
    return tuple(move for move in moves if move.now != move.then)


def choose(journals: Journals, options: RollbackOptions) -> tuple[State, State]:
    """The state of the rollback, unfinished or new, and that of the run it reverts. Read-only.

    A new one inherits what the run changed and did not revert, what an earlier rollback left, and with `--database`
    the images of every deployment since the tables were created.
    """
    unfinished = journals.unfinished()
    if unfinished is not None and unfinished.plan == PLAN:
        deployment = journals.state(str(unfinished.of))
        if options.run not in {None, deployment.run}:
            raise Refused(
                f"Rollback {unfinished.run} of {deployment.run} is unfinished.",
                hint="Continue it: cartctl rollback",
            )
        return unfinished, deployment
    deployment = _select_run(journals, options)
    state = State(new_run_id())
    state.inherit(deployment)
    if options.database and options.run is None and options.journal is None:
        state.evidence = {**deployment.touched, **state.evidence}
        for later in journals.since(deployment):
            state.evidence = chained(state.evidence, later)
    state.evidence |= journals.not_reverted(deployment)
    return state, deployment


def _select_run(journals: Journals, options: RollbackOptions) -> State:
    if options.journal:
        return read_journal_file(options.journal)
    if not options.database:
        return select(journals, options.run)
    if options.run is not None:
        return with_tables(journals, options.run)
    return journals.migrating() or newest_change(journals)


def chained(evidence: Mapping[str, Evidence], later: State) -> dict[str, Evidence]:
    """Combine successive releases: the images before the first, and every image requested since. Pure."""
    merged = {**later.evidence, **evidence}
    for key, newer in later.touched.items():
        older = evidence.get(key)
        if newer.kind == "release" and older is not None and older.names == newer.names:
            merged[key] = replace(older, to=(*older.to, newer.before, *newer.to))
        elif newer.kind == "release":
            merged[key] = newer
    return merged


def _stop_running(
    ports: Ports, journals: Journals, options: RollbackOptions, pulse: Pulse, say: Callable[[str], None]
) -> bool:
    """Stop a running deployment and return True; a running rollback stops only for `--take-over`."""
    with ports.state.session("find a running deployment") as connection:
        holder = find_holder(connection, journals.owned)
    if holder and journals.state(holder.run).plan == PLAN and not options.take_over:
        raise Locked(
            f"A rollback is running: {holder}.", hint="Wait for it; if it is stuck, use --take-over."
        )
    hand_over(
        ports.state, journals.replicated, pulse, take_over=options.take_over, timeout=STOPS_WITHIN, say=say
    )
    return holder is not None


def _refuse_blocked(ports: Ports, phases: Sequence[Phase], state: State, *, stopped: bool) -> None:
    """Repeat the guards of every release with the lock held, before the first step.

    Raises Refused, or OperatorNeeded after a running deployment was stopped for this rollback.
    """
    try:
        preview(PLAN, ports.env.name, phases, state.evidence, known_kinds(ports)).refuse_blocked()
    except Refused as blocked:
        if not stopped:
            raise
        raise OperatorNeeded(
            f"{blocked.message} The running deployment was stopped between two steps.",
            hint=f"{blocked.hint} Next: cartctl rollback --env {ports.env.name}",
        ) from blocked


@contextmanager
def _locked(ports: Ports, journals: Journals, state: State, pulse: Pulse) -> Iterator[Lock]:
    with ExitStack() as stack:
        lock: Lock | None = None
        if journals.main is not None:
            with suppress(SqlFailed):  # a read-only database cannot record the lock's owner
                lock = stack.enter_context(RunLock(ports.state, journals.owned, state.run, pulse, wait=2))
        yield lock or stack.enter_context(ports.cluster.lease(holder_of(state.run)))


def _end_of(deployment: State, report: RunReport, journals: Journals) -> None:
    """Mark the unfinished run as rolled back by this rollback."""
    if deployment.finished or deployment.started is None or report.outcome not in EFFECTIVE:
        return
    data = Outcome.of(RunOutcome.ROLLED_BACK, f"rolled back by {report.run}").to_json()
    journals.replicated.append(Event(deployment.run, datetime.now(UTC), RUN, EventKind.FINISHED, data))


def _next_commands(environment: Environment, options: RollbackOptions, state: State) -> NextCommands:
    env = environment.name
    again = f"cartctl rollback{' --database' if options.database else ''}"
    again += f"{' --application-stopped' if options.application_stopped else ''} --env {env}"
    next_check = f"cartctl {'health' if 'http' in environment.sections else 'migrate status'} --env {env}"
    succeeded = f"cartctl report --env {env}" if "http" in environment.sections else next_check
    return {  # after a success not `health`, which fails where the previous version has no cart endpoints
        RunOutcome.SUCCEEDED: lambda: _after(env, succeeded, state),
        RunOutcome.FAILED: again,
        RunOutcome.INCONCLUSIVE: next_check,
        RunOutcome.INTERRUPTED: again,
    }


def _after(env: str, next_check: str, state: State) -> str:
    """The next command; with saved rows also the deployment that restores them."""
    place = saved_rows(state.results)
    later = (
        f"; to restore the rows: cartctl deploy --env {env} --restore-carts {quote(place)}" if place else ""
    )
    return f"{next_check}{later}"
