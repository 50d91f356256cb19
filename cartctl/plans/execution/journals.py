"""The journals of an environment together: which runs there are, and which one is unfinished."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.database.drop.differences import NOTHING, is_ours
from cartctl.engine.journal.cluster_copy import ClusterJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal, catch_up
from cartctl.engine.journal.stores import FileJournal, JournalRefused, PostgresJournal
from cartctl.engine.model import Evidence
from cartctl.engine.state import State, fold
from cartctl.errors import OperatorNeeded, Refused
from cartctl.ports import Ports

CONTINUE_WITH = {  # plan → how an unfinished run of it is ended
    "deploy": "cartctl deploy --resume, or cartctl rollback",
    "revision": "cartctl rollback --to-revision DEPLOYMENT=N",
    "migrate": "cartctl migrate deploy",
    "migrate index": "cartctl migrate index --concurrently",
    "migrate adopt": "cartctl migrate adopt",
    "snapshot restore": "cartctl snapshot restore --cart-only",
    "rollout": "cartctl rollout advance, or cartctl rollout abort",
}


MIGRATING = ("deploy", "migrate")  # plans that make the cart's tables


@dataclass(frozen=True, slots=True)
class Journals:
    """All journals as one, and the database's own (None while it is gone)."""

    replicated: ReplicatedJournal
    main: PostgresJournal | None

    @property
    def owned(self) -> PostgresJournal:
        """The database's own, where the lock's owner is written down."""
        if self.main is None:
            raise OperatorNeeded("The database does not answer.", hint="Take the code back: cartctl rollback")
        return self.main

    def state(self, run: str) -> State:
        """A run as it stands, with what the run that it takes back has made."""
        own = fold(run, self.replicated.events(run))
        if own.of is not None:
            own.results = {**fold(own.of, self.replicated.events(own.of)).results, **own.results}
        return own

    def unfinished(self) -> State | None:
        """The newest run that has no end, if there is one."""
        newest = next(iter(self.replicated.open_runs()), None)
        return None if newest is None else self.state(newest)

    def migrating(self, newest: str | None = None) -> State | None:
        """The newest run (not newer than `newest`) that began without the cart's tables and migrated: it made them.

        One whose tables were dropped since made none of those that are there now.
        """
        for run in self.replicated.runs():
            state = self.state(run) if newest is None or run <= newest else None
            recorded = state.results.get("fingerprint") if state and state.plan in MIGRATING else None
            if state and recorded and not any(is_ours(key) for key in recorded["objects"]):
                return None if self._dropped_since(state) else state
        return None

    def _dropped_since(self, migration: State) -> bool:
        """Whether a rollback that has ended took back what a run migrated."""
        migrated = set((migration.results.get("migrate") or {}).get("applied", ()))
        for run in [known for known in self.replicated.runs() if known > migration.run]:
            state = self.state(run)
            dropped = state.results.get("database") if state.plan == "rollback" and state.finished else None
            if dropped and (state.of == migration.run or migrated & set(dropped["migrations"])):
                return True
        return False

    def since(self, deployment: State) -> list[State]:
        """The deployments after `taken`, oldest first."""
        newer = [self.state(run) for run in self.replicated.runs() if run > deployment.run]
        return [state for state in reversed(newer) if state.plan == "deploy"]

    def origin(self, deployment: State) -> dict[str, Any]:
        """The results of `taken`, with those of the run that migrated: the tables may be older than the images."""
        migration = self.migrating(deployment.run)
        if migration is None and "migrate" in deployment.results and self._dropped_since(deployment):
            return {**deployment.results, "migrate": {**deployment.results["migrate"], "difference": NOTHING}}
        created = (
            {name: migration.results.get(name) for name in ("fingerprint", "migrate")} if migration else {}
        )
        return {**deployment.results, **created}

    def not_reverted(self, deployment: State) -> dict[str, Evidence]:
        """What the newest rollback of `taken` moved and could not put back; flags stay where they were taken."""
        for run in [known for known in self.replicated.runs() if known > deployment.run]:
            state = self.state(run)
            if state.plan == "rollback" and state.of == deployment.run:
                return {key: evidence for key, evidence in state.evidence.items() if evidence.kind != "flags"}
        return {}


def refuse_unfinished(journals: Journals) -> None:
    """Raise Refused while a run has no end: its half-way state would become the state to go back to."""
    unfinished = journals.unfinished()
    if unfinished is None:
        return
    ways = CONTINUE_WITH.get(unfinished.plan, "cartctl rollback")
    raise Refused(
        f"The {unfinished.plan} run {unfinished.run} is unfinished.",
        hint=f"Go on or back with: {ways}; or give it up with: cartctl deploy --abandon {unfinished.run}",
    )


def _bring_up_to_date(main: PostgresJournal, replicas: Iterable[FileJournal | ClusterJournal]) -> None:
    """What was written while the database was gone, here or (a cluster that answers) from another machine."""
    identity = main.identity()
    for replica in replicas:
        with suppress(ClusterUnreachable, OSError):  # a disk without rights keeps nobody from an abort
            replica.belong_to(identity)
            catch_up(main, replica)


@contextmanager
def open_journals(
    ports: Ports, *, without_database: bool = False, read_only: bool = False, without_cluster: bool = False
) -> Iterator[Journals]:
    """The database's journal with its keepers; what was written while it was gone is copied back.

    `without_cluster` is for runs that move nothing there. Raises DatabaseUnreachable, and JournalRefused before any
    change, unless the caller can do `without_database`.
    """
    replicas: list[FileJournal | ClusterJournal] = [FileJournal(ports.directory / "runs")]
    if not without_cluster:
        replicas.append(ClusterJournal(ports.cluster))
    with closing(PostgresJournal(ports.state)) as main:
        try:
            if read_only:
                main.runs()
            else:
                main.prepare()
                _bring_up_to_date(main, replicas)
        except (DatabaseUnreachable, SqlFailed, JournalRefused):
            if not without_database:
                raise
            yield Journals(ReplicatedJournal(None, [*replicas]), None)
        else:
            yield Journals(ReplicatedJournal(main, [*replicas]), main)
