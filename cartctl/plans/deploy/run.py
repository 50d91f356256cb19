"""Start, resume and abandon a deployment: its run, its lock and its monitor."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from cartctl.config.keys import did_you_mean, did_you_mean_id
from cartctl.config.model.environment import Environment
from cartctl.engine.events import RUN, Event, EventKind, RunOutcome
from cartctl.engine.lock import RunLock, whoami
from cartctl.engine.model import Verdict
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.signals import interruptible
from cartctl.engine.state import State, new_run_id
from cartctl.engine.view import View
from cartctl.errors import Refused, UsageError
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.watch import Watch
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.plan import deployment
from cartctl.plans.deploy.preflight import preflight
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.execute import RunSpec, execute_plan
from cartctl.plans.execution.journals import CONTINUE_WITH, Journals, open_journals, refuse_unfinished
from cartctl.plans.execution.phases import NEVER_SKIPPED, Phase, keys, without
from cartctl.plans.execution.prediction import predict
from cartctl.plans.execution.run_monitor import (
    MonitoredView,
    follow_maintenance,
    new_recorder,
    new_watch,
    sample_observer,
)
from cartctl.plans.execution.run_notifications import NotifyingView, new_notifications
from cartctl.plans.execution.saved_rows import find_row_source
from cartctl.ports import Ports


def deploy(ports: Ports, options: DeployOptions, view: View) -> RunReport:
    """Start a deployment. Raises Refused while a run is unfinished, Locked while one is running."""
    refuse_unknown(ports, options)
    pulse = Pulse(progress=view.progress)
    with interruptible(pulse), open_journals(ports) as journals:
        state = State(new_run_id())
        with RunLock(ports.state, journals.owned, state.run, pulse) as lock:
            refuse_unfinished(journals)
            return _execute(ports, options, state, journals, lock, pulse, view)


def refuse_unknown(ports: Ports, options: DeployOptions) -> None:
    """Raise UsageError for an image of nothing that the plan releases, and for rows to restore that are not there. Read-only."""
    step_factories.images(ports, options.images)
    if options.restore_carts:
        find_row_source(ports, options.restore_carts)


def resume(ports: Ports, view: View) -> RunReport:
    """Resume the unfinished deployment with its own options. Raises Refused when there is none."""
    pulse = Pulse(progress=view.progress)
    with (
        interruptible(pulse),
        open_journals(ports) as journals,
        RunLock(ports.state, journals.owned, _unfinished_deployment(journals).run, pulse) as lock,
    ):
        state = _unfinished_deployment(journals)
        options = DeployOptions.from_json(state.started.data["asked"] if state.started else {})
        with _with_permission(ports, options) as own:
            if not state.undoing:
                _recheck_preflight(own, options, state, pulse)
            return _execute(own, options, state, journals, lock, pulse, view)


@contextmanager
def _with_permission(ports: Ports, options: DeployOptions) -> Iterator[Ports]:
    """The adapters with the `--force-owned` of the run's own options."""
    if ports.force_owned or not options.force_owned:
        yield ports
        return
    with Ports(ports.env, force_owned=True) as own:
        yield own


def abandon(ports: Ports, run: str) -> None:
    """Mark an unfinished run as abandoned; change nothing else. Raises Refused for any other run."""
    pulse = Pulse()
    with open_journals(ports) as journals, RunLock(ports.state, journals.owned, new_run_id(), pulse):
        state = journals.state(run)
        if state.started is None or state.finished:
            runs = journals.replicated.runs()
            known = did_you_mean_id(run, (one for one in runs if not journals.state(one).finished))
            raise Refused(f"Unfinished run not found: {run}{known}", hint="See: cartctl history")
        data = Outcome.of(RunOutcome.FAILED, f"abandoned by {whoami()['user']}").to_json()
        journals.replicated.append(Event(run, datetime.now(UTC), RUN, EventKind.FINISHED, data))


def planned(
    ports: Ports, options: DeployOptions, watch: Watch, results: step_factories.Results = step_factories.NONE
) -> tuple[Phase, ...]:
    """The deployment's phases, without the skipped steps. Raises UsageError for an unknown step or one that can never be skipped."""
    phases = deployment(ports, watch, options, results)
    for name in options.skipped_steps:
        _require_skippable(ports.env, name)
        if name not in keys(phases):
            raise UsageError(
                f"unknown step '{name}' for --skip{did_you_mean(name, keys(phases))}",
                hint=f"Steps: {', '.join(keys(phases))}.",
            )
    return without(phases, options.skipped_steps)


def _require_skippable(env: Environment, step: str) -> None:
    """Raise UsageError for a step that can never be skipped, and for the preflight where that would skip window or sign-offs."""
    if step in NEVER_SKIPPED:
        raise UsageError(
            f"Step {step} can never be skipped.", hint=f"Never skipped: {', '.join(NEVER_SKIPPED)}."
        )
    if step == "preflight" and (env.protected or env.signoff.roles):
        raise UsageError(
            f"Step preflight cannot be skipped in {env.name}: it checks window and sign-offs.",
            hint="Skip single checks: --skip preflight.NAME",
        )


def _execute(
    ports: Ports,
    options: DeployOptions,
    state: State,
    journals: Journals,
    lock: RunLock,
    pulse: Pulse,
    view: View,
) -> RunReport:
    watch = new_watch(ports)
    phases = planned(ports, options, watch, state.results)
    spec = RunSpec(
        "deploy",
        phases,
        facts={
            "steps": keys(phases),
            "images": step_factories.images(ports, options.images),
            "migrations": [migration.checksum for migration in MIGRATIONS],
        },
        options=options.to_json(),
        on_failure=OnFailure.UNDO if options.auto_rollback else OnFailure.SETTLE,
        next_commands=_next_commands(ports.env.name),
    )
    if state.started is None:
        monitored = options.monitor_for or ports.env.monitor.for_
        spec = replace(spec, prediction=predict(ports, phases, monitored, journals.replicated))
    recorder = new_recorder(ports, watch, state.run)
    with new_notifications(ports).sending() as notifications:
        watching = NotifyingView(MonitoredView(view, watch), notifications)
        samplers = (recorder, notifications.sampled, sample_observer(view, ports))
        with _armed(watch, pulse, state, journals, samplers):
            return execute_plan(spec, state, ports, journals, lock=lock, pulse=pulse, view=watching)


@contextmanager
def _armed(
    watch: Watch, pulse: Pulse, state: State, journals: Journals, samplers: Sequence[Callable[[Tick], None]]
) -> Iterator[None]:
    """Arm the triggers and pass on the samples, for a resumed run with their history; not while rolling back, where they would stop the undo."""
    if state.undoing:
        yield
        return
    for event in journals.replicated.events(state.run):
        follow_maintenance(watch, event)
    if state.started is not None:
        watch.rebuild(state.started.at)

    def observe(tick: Tick) -> None:
        for sampler in samplers:
            sampler(tick)

    with watch.armed(pulse, observe):
        yield


def _unfinished_deployment(journals: Journals) -> State:
    state = journals.unfinished()
    if state is None:
        raise Refused("No unfinished run to resume.", hint="Start one with: cartctl deploy")
    if state.plan != "deploy":
        raise Refused(
            f"The unfinished run {state.run} is a {state.plan}.",
            hint=f"Continue with: {CONTINUE_WITH.get(state.plan, 'cartctl rollback')}",
        )
    return state


def _recheck_preflight(ports: Ports, options: DeployOptions, state: State, pulse: Pulse) -> None:
    """Repeat the preflight, without the checks of what this run has already changed. Raises Refused; nothing is undone."""
    if "preflight" not in state.done:
        return
    midway = "changed by this run"
    skip = options.skipped_checks | dict.fromkeys(("cluster", "metrics", "api", "dashboard", "flags"), midway)
    result = preflight(ports, options, skip=skip).judge(pulse)
    if result.verdict in {Verdict.FAIL, Verdict.UNKNOWN}:
        failures = "; ".join(f"{bad.name}: {bad.observed}" for bad in result.bad())
        raise Refused(
            f"Cannot resume the run: {failures}", hint="Fix that and resume, or roll back: cartctl rollback"
        )
    _discard_old_snapshot(ports, state)


def _discard_old_snapshot(ports: Ports, state: State) -> None:
    """Take the snapshot again when it is older than `resume_max_age` and nothing was migrated."""
    snapshot = state.results.get("snapshot")
    if snapshot is None or "migrate" in state.done:
        return
    if datetime.now(UTC) - datetime.fromisoformat(snapshot["at"]) > ports.env.resume_max_age:
        state.done.pop("snapshot", None)


def _next_commands(env: str) -> Mapping[str, str]:
    return {
        RunOutcome.SUCCEEDED: f"cartctl smoke --env {env}",
        "unchanged": f"cartctl preflight --env {env}",
        RunOutcome.ROLLED_BACK: f"cartctl history --env {env}",
        RunOutcome.FAILED: f"cartctl rollback --env {env}",
        RunOutcome.INCONCLUSIVE: f"cartctl monitor --once --env {env}, then cartctl smoke --env {env} or cartctl rollback --env {env}",
        RunOutcome.INTERRUPTED: f"cartctl deploy --resume --env {env}, or cartctl rollback --env {env}",
    }
