"""Restore a snapshot as a run: locked until the swap, journalled in the live database after it."""

from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from cartctl import __version__
from cartctl.adapters.postgres import DatabaseUnreachable, NamedServer
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.drop.restore_rows import RestoredRows
from cartctl.engine.events import RUN, Event, EventKind, Finished, RunOutcome
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import RunLock, whoami
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import new_run_id
from cartctl.errors import CheckFailed, Inconclusive
from cartctl.plans.execution.saved_rows import find_row_source
from cartctl.plans.execution.short_run import short_run
from cartctl.ports import Ports
from cartctl.snapshots.create import Subject
from cartctl.snapshots.data_loss.assessment import Loss
from cartctl.snapshots.drill import drill
from cartctl.snapshots.restore.plan import Consent, RestorePlan, plan_restore
from cartctl.snapshots.restore.run import Restored, restore
from cartctl.snapshots.storage.destination import open_store
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify
from cartctl.steps.database.restore_rows import RestoreCarts


def subject_of(ports: Ports) -> Subject:
    """The target to dump and restore, with the fingerprint of its schema."""
    return Subject(ports.env.name, ports.database, fingerprint_hash)


def plan_full_restore(
    ports: Ports, snapshot: str, pulse: Pulse, *, disconnect: bool, consent: Consent
) -> RestorePlan:
    """Preview a full restore: the data it would lose, and whether it would be refused. Read-only."""
    store = open_store(ports.env)
    return plan_restore(subject_of(ports), store, snapshot, pulse, disconnect=disconnect, consent=consent)


def restore_database(
    ports: Ports, snapshot: str, pulse: Pulse, *, disconnect: bool, accepted: Loss | None
) -> Restored:
    """Replace the live database with a snapshot. Raises what `restore` raises; Locked while a run is running."""
    store, run = open_store(ports.env), new_run_id()
    require_intact(store, snapshot, pulse)
    began = datetime.now(UTC)
    _require_no_active_run(ports, run, pulse)
    done = restore(subject_of(ports), store, snapshot, pulse, disconnect=disconnect, accepted=accepted)
    _record(ports, run, began, asdict(done))
    return done


def restore_carts(ports: Ports, snapshot: str, pulse: Pulse, *, replacing: bool) -> RestoredRows:
    """Restore a snapshot's cart rows into the live tables; with `replacing`, save and remove existing rows first."""
    settings = ports.env.database
    step = RestoreCarts(ports.database, settings, find_row_source(ports, snapshot), replacing=replacing)
    result = short_run(ports, "snapshot restore", (step,), pulse)[step.key]
    return RestoredRows(
        result["source"], result["rows"], result["replaced"], tuple(result.get("warnings", ()))
    )


def drill_on(store: Store, snapshot: str, server: str | None, pulse: Pulse) -> Checks:
    """Restore a snapshot on the server of a DSN, or on a temporary one, and compare.

    Raises Inconclusive without a server.
    """
    if server is not None:
        return drill(store, snapshot, NamedServer(server), fingerprint_hash, pulse, ours=False)
    with scratch_server(store.get(snapshot).server.version_num // 10000) as scratch:
        return drill(store, snapshot, scratch, fingerprint_hash, pulse, ours=True)


def require_intact(store: Store, snapshot: str, pulse: Pulse) -> None:
    """Raise CheckFailed for a damaged snapshot."""
    checks = verify(store, snapshot, pulse)
    if checks.verdict is Verdict.FAIL:
        bad: CheckResult = checks.bad()[0]
        raise CheckFailed(f"The snapshot {snapshot} is damaged: {bad.name}: {bad.observed}.", hint=bad.hint)
    if checks.verdict is Verdict.UNKNOWN:
        raise Inconclusive(f"The snapshot {snapshot} could not be verified: {checks.bad()[0].observed}")


def _require_no_active_run(ports: Ports, run: str, pulse: Pulse) -> None:
    """Raise Locked while a run is running. The lock is not held longer: the swap ends its connection."""
    try:
        with closing(PostgresJournal(ports.state)) as main:
            main.prepare()
            with RunLock(ports.state, main, run, pulse):
                return
    except DatabaseUnreachable:
        return  # the database to restore may be the unreachable one


def _record(ports: Ports, run: str, began: datetime, result: dict[str, Any]) -> None:
    who = {"plan": "snapshot restore", "env": ports.env.name, "version": __version__, **whoami()}
    started = Event(run, began, RUN, EventKind.STARTED, who)
    end = Finished(outcome=RunOutcome.SUCCEEDED, exit_code=0, message="")
    with closing(PostgresJournal(ports.state)) as main:
        main.prepare()
        journal = ReplicatedJournal(main, [FileJournal(ports.directory / "runs")])
        for event in (
            started,
            replace(
                started, at=datetime.now(UTC), key="restore", event=EventKind.APPLIED, data={"result": result}
            ),
            replace(started, at=datetime.now(UTC), event=EventKind.FINISHED, data=end),
        ):
            journal.append(event)


def checks_of(*parts: Checks) -> Checks:
    """Combine the results of several checks."""
    return Checks.of(check for part in parts for check in part.checks)
