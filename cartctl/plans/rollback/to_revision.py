"""`rollback --to-revision`: return deployments that other tools released to a named revision."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cartctl.adapters.cluster import Cluster, Image, TemplateRevision
from cartctl.engine.events import RunOutcome
from cartctl.engine.lock import RunLock
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.signals import interruptible
from cartctl.engine.state import State, new_run_id
from cartctl.engine.view import View
from cartctl.errors import Refused, UsageError
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.execute import RunSpec, execute_plan
from cartctl.plans.execution.journals import Journals, open_journals, refuse_unfinished
from cartctl.plans.execution.phases import Phase
from cartctl.plans.execution.preview import Plan, PlanRow, preview
from cartctl.ports import Ports

PLAN = "revision"


def parse_revisions(given: Sequence[str]) -> dict[str, str]:
    """Parse DEPLOYMENT=N values. Raises UsageError."""
    revisions = {}
    for one in given:
        name, _, revision = one.partition("=")
        if not name or not revision.isdecimal() or int(revision) < 1:
            raise UsageError(
                f"invalid --to-revision '{one}': use DEPLOYMENT=N",
                hint="For example: --to-revision payment-api=3; see kubectl rollout history deployment/payment-api -n NAMESPACE",
            )
        revisions[name] = str(int(revision))
    return revisions


def preview_revisions(ports: Ports, revisions: Mapping[str, str]) -> Plan:
    """Preview a rollback to these revisions. Read-only. Raises what `roll_back_to` raises before its first step."""
    with open_journals(ports, read_only=True) as journals:
        unfinished = _unfinished(journals, revisions)
    phases = phases_to(ports, _templates(ports.cluster, revisions, unfinished))
    plan = preview(PLAN, ports.env.name, phases)
    return replace(plan, rows=tuple(_in_words(row, ports.cluster) for row in plan.rows))


def _in_words(row: PlanRow, cluster: Cluster) -> PlanRow:
    """Show the number, images and change-cause of each revision in place of template hashes."""
    moves = []
    for name, template in (row.before or {}).items():
        known = cluster.revisions(name)
        now, then = (_named(known, one) for one in (template, (row.after or {}).get(name)))
        moves.append(f"{name}: {now} → {then}" if now != then else f"{name}: {now}, unchanged")
        moves += [f"  {one}" for one in known if str(one) not in {now, then}]
    return replace(row, moves=tuple(moves))


def _named(known: Sequence[TemplateRevision], template: str | None) -> str:
    return next((str(one) for one in known if one.template == template), "a deleted revision")


def roll_back_to(ports: Ports, revisions: Mapping[str, str], view: View) -> RunReport:
    """Roll back to these revisions, or resume an interrupted rollback; a failed release restores the templates.

    Raises Refused while another run is unfinished, UnknownDeployment for a missing revision.
    """
    pulse = Pulse(progress=view.progress)
    with interruptible(pulse), open_journals(ports) as journals:
        state = _unfinished(journals, revisions) or State(new_run_id())
        with RunLock(ports.state, journals.owned, state.run, pulse) as lock:
            if state.started is None:
                refuse_unfinished(journals)
            env = ports.env.name
            spec = RunSpec(
                PLAN,
                phases_to(ports, _templates(ports.cluster, revisions, state)),
                facts={"revisions": dict(revisions)},
                next_commands={
                    RunOutcome.SUCCEEDED: f"cartctl health --env {env}",
                    RunOutcome.FAILED: f"cartctl history --env {env}",
                },
            )
            return execute_plan(spec, state, ports, journals, lock=lock, pulse=pulse, view=view)


def phases_to(ports: Ports, templates: Mapping[str, str]) -> tuple[Phase, ...]:
    """The plan that returns to pod templates, by deployment."""
    steps = (
        step_factories.revision(ports, PLAN, tuple(templates), templates),
        step_factories.old_health(ports, lambda: _images(ports.cluster, templates)),
    )
    return (Phase("1 Code", "", steps),)


def _templates(cluster: Cluster, revisions: Mapping[str, str], unfinished: State | None) -> dict[str, str]:
    """The hash of each revision's template. The cluster renumbers the one in use: after the start, the journal has them."""
    evidence = unfinished.touched.get(PLAN) if unfinished else None
    if evidence:
        return {name: evidence.to[-1][name] for name in revisions}
    return {name: cluster.template_of(name, number) for name, number in revisions.items()}


def _images(cluster: Cluster, templates: Mapping[str, str]) -> dict[str, Image]:
    """The images of the templates, by `deployment.container`. Read-only."""
    return {
        f"{name}.{container}": Image(ref)
        for name, template in templates.items()
        for one in cluster.revisions(name)
        if one.template == template
        for container, ref in one.images.items()
    }


def _unfinished(journals: Journals, revisions: Mapping[str, str]) -> State | None:
    unfinished = journals.unfinished()
    if unfinished is None or unfinished.plan != PLAN or unfinished.started is None:
        return None
    previous = unfinished.started.data.get("facts", {}).get("revisions")
    if previous != dict(revisions):
        targets = ", ".join(f"{name}={revision}" for name, revision in (previous or {}).items())
        raise Refused(
            f"Run {unfinished.run} to {targets} is unfinished.",
            hint=f"Continue it: cartctl rollback --to-revision {targets.replace(', ', ' --to-revision ')}",
        )
    return unfinished
