"""The journals of an environment: its runs, and the unfinished one."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.database.drop.differences import NOTHING, is_ours
from cartctl.engine.journal.cluster_copy import ClusterJournal
from cartctl.engine.journal.optional_journal import OptionalJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal, catch_up
from cartctl.engine.journal.stores import FileJournal, Journal, JournalRefused, PostgresJournal
from cartctl.engine.model import Evidence
from cartctl.engine.state import State, fold
from cartctl.errors import OperatorNeeded, Refused
from cartctl.ports import Ports

CONTINUE_WITH = {  # plan → the commands that continue or end an unfinished run
    "deploy": "cartctl deploy --resume, or cartctl rollback",
    "revision": "cartctl rollback --to-revision DEPLOYMENT=N",
    "migrate": "cartctl migrate deploy",
    "migrate index": "cartctl migrate index --concurrently",
    "migrate adopt": "cartctl migrate adopt",
    "snapshot restore": "cartctl snapshot restore --cart-only",
    "rollout": "cartctl rollout advance, or cartctl rollout abort",
}


MIGRATING = ("deploy", "migrate")  # plans that create the cart's tables


@dataclass(frozen=True, slots=True)
class Journals:
    """The journal with its replicas, and the database's own (None while the database is unreachable)."""

    replicated: ReplicatedJournal
    main: PostgresJournal | None

    @property
    def owned(self) -> PostgresJournal:
        """The database's own, which records the lock's owner."""
        if self.main is None:
            raise OperatorNeeded("The database is unreachable.", hint="Roll back the code: cartctl rollback")
        return self.main

    def state(self, run: str) -> State:
        """The state of a run; for a rollback also with the results of the run that it reverts."""
        own = fold(run, self.replicated.events(run))
        if own.of is not None:
            own.results = {**fold(own.of, self.replicated.events(own.of)).results, **own.results}
        return own

    def unfinished(self) -> State | None:
        """The newest unfinished run, if any."""
        newest = next(iter(self.replicated.open_runs()), None)
        return None if newest is None else self.state(newest)

    def migrating(self, newest: str | None = None) -> State | None:
        """The newest run (not newer than `newest`) that started without the cart's tables and created them.

        None when its tables were dropped since.
        """
        for run in self.replicated.runs():
            state = self.state(run) if newest is None or run <= newest else None
            recorded = state.results.get("fingerprint") if state and state.plan in MIGRATING else None
            if state and recorded and not any(is_ours(key) for key in recorded["objects"]):
                return None if self._dropped_since(state) else state
        return None

    def _dropped_since(self, migration: State) -> bool:
        """Whether a finished rollback has dropped what a run migrated."""
        migrated = set((migration.results.get("migrate") or {}).get("applied", ()))
        for run in [known for known in self.replicated.runs() if known > migration.run]:
            state = self.state(run)
            dropped = state.results.get("database") if state.plan == "rollback" and state.finished else None
            if dropped and (state.of == migration.run or migrated & set(dropped["migrations"])):
                return True
        return False

    def since(self, deployment: State) -> list[State]:
        """The deployments after `deployment`, oldest first."""
        newer = [self.state(run) for run in self.replicated.runs() if run > deployment.run]
        return [state for state in reversed(newer) if state.plan == "deploy"]

    def origin(self, deployment: State) -> dict[str, Any]:
        """The results of `deployment`, with those of the run that migrated: the tables may be older than the images."""
        migration = self.migrating(deployment.run)
        if migration is None and "migrate" in deployment.results and self._dropped_since(deployment):
            return {**deployment.results, "migrate": {**deployment.results["migrate"], "difference": NOTHING}}
        created = (
            {name: migration.results.get(name) for name in ("fingerprint", "migrate")} if migration else {}
        )
        return {**deployment.results, **created}

    def not_reverted(self, deployment: State) -> dict[str, Evidence]:
        """What the newest rollback of `deployment` changed and did not revert, without the flags, which stay."""
        for run in [known for known in self.replicated.runs() if known > deployment.run]:
            state = self.state(run)
            if state.plan == "rollback" and state.of == deployment.run:
                return {key: evidence for key, evidence in state.evidence.items() if evidence.kind != "flags"}
        return {}


def refuse_unfinished(journals: Journals) -> None:
    """Raise Refused while a run is unfinished: its partial state must not become the one to revert to."""
    unfinished = journals.unfinished()
    if unfinished is None:
        return
    ways = CONTINUE_WITH.get(unfinished.plan, "cartctl rollback")
    raise Refused(
        f"The {unfinished.plan} run {unfinished.run} is unfinished.",
        hint=f"Continue or roll back: {ways}; or abandon it: cartctl deploy --abandon {unfinished.run}",
    )


def _bring_up_to_date(main: PostgresJournal, replicas: Iterable[FileJournal | ClusterJournal]) -> None:
    """Copy back what was written while the database was unreachable, from here or, by the cluster, from another machine."""
    identity = main.identity()
    for replica in replicas:
        with suppress(ClusterUnreachable, OSError):  # a read-only disk must not prevent an abort
            replica.belong_to(identity)
            catch_up(main, replica)


@contextmanager
def open_journals(
    ports: Ports,
    *,
    without_database: bool = False,
    read_only: bool = False,
    without_cluster: bool = False,
    cluster_optional: bool = False,
) -> Iterator[Journals]:
    """Open the database's journal with its replicas; copy back what was written while it was unreachable.

    `without_cluster` is for runs that change nothing in the cluster; without a configured cluster it has no replica.
    `cluster_optional` is for readers: the cluster is used only where the database does not know a run. Raises DatabaseUnreachable, and JournalRefused before any
    change, unless the caller can do `without_database`.
    """
    replicas: list[FileJournal | ClusterJournal] = [FileJournal(ports.directory / "runs")]
    optional: list[Journal] = []
    if not without_cluster and "cluster" in ports.env.sections:
        if cluster_optional:
            optional.append(OptionalJournal(lambda: ClusterJournal(ports.cluster)))
        else:
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
            yield Journals(ReplicatedJournal(None, [*replicas, *optional]), None)
        else:
            yield Journals(ReplicatedJournal(main, [*replicas, *optional]), main)
