"""`rollback --to-revision`: deployments that other tools released go back to a revision that is named, never "the former"."""

from collections.abc import Mapping, Sequence

from cartctl.checks.health import OldHealth
from cartctl.engine.lock import RunLock
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.signals import interruptible
from cartctl.engine.state import State, new_run_id
from cartctl.engine.view import View
from cartctl.errors import Refused, UsageError
from cartctl.plans import parts
from cartctl.plans.carry_out import Journey, carry_out
from cartctl.plans.journals import Journals, open_journals, refuse_unfinished
from cartctl.plans.phases import Phase
from cartctl.plans.preview import Plan, preview
from cartctl.ports import Ports

PLAN = "revision"


def parse_revisions(given: Sequence[str]) -> dict[str, str]:
    """DEPLOYMENT=N as typed. Raises UsageError."""
    found = {}
    for one in given:
        name, _, revision = one.partition("=")
        if not name or not revision.isdecimal() or int(revision) < 1:
            raise UsageError(
                f"--to-revision {one} is not DEPLOYMENT=N.",
                hint="For example: --to-revision payment-api=3; see kubectl rollout history deployment/payment-api -n NAMESPACE",
            )
        found[name] = str(int(revision))
    return found


def show_revisions(ports: Ports, revisions: Mapping[str, str]) -> Plan:
    """What going to these revisions would change. Read-only. Raises as `put_back`, before anything begins."""
    with open_journals(ports, read_only=True) as journals:
        begun = _begun(journals, revisions)
    return preview(PLAN, ports.env.name, _phases(ports, revisions, begun))


def put_back(ports: Ports, revisions: Mapping[str, str], view: View) -> RunReport:
    """Go to these revisions, or go on with it where it died; a rollout that fails puts the templates back.

    Raises Refused while another run is unfinished, UnknownDeployment for a revision that is not there.
    """
    pulse = Pulse(progress=view.progress)
    with interruptible(pulse), open_journals(ports) as journals:
        state = _begun(journals, revisions) or State(new_run_id())
        with RunLock(ports.state, journals.owned, state.run, pulse) as lock:
            if state.started is None:
                refuse_unfinished(journals)
            env = ports.env.name
            journey = Journey(
                PLAN,
                _phases(ports, revisions, state),
                facts={"revisions": dict(revisions)},
                next_commands={
                    "succeeded": f"cartctl health --env {env}",
                    "failed": f"cartctl history --env {env}",
                },
            )
            return carry_out(journey, state, ports, journals, lock=lock, pulse=pulse, view=view)


def _phases(ports: Ports, revisions: Mapping[str, str], begun: State | None) -> tuple[Phase, ...]:
    held = begun.touched.get(PLAN) if begun else None
    wanted = {  # a revision that a cluster has gone to has another number there: once begun, the journal knows the template
        name: held.to[-1][name] if held else ports.cluster.template_of(name, number)
        for name, number in revisions.items()
    }
    steps = (parts.revision(ports, PLAN, tuple(wanted), wanted), OldHealth("health.old", ports.api))
    return (Phase("1 Code", "", steps),)


def _begun(journals: Journals, revisions: Mapping[str, str]) -> State | None:
    unfinished = journals.unfinished()
    if unfinished is None or unfinished.plan != PLAN or unfinished.started is None:
        return None
    former = unfinished.started.data.get("facts", {}).get("revisions")
    if former != dict(revisions):
        told = ", ".join(f"{name}={revision}" for name, revision in (former or {}).items())
        raise Refused(
            f"The run {unfinished.run} to {told} is unfinished.",
            hint=f"Go on with it: cartctl rollback --to-revision {told.replace(', ', ' --to-revision ')}",
        )
    return unfinished
