"""The journals of an environment together: which runs there are, which one is unfinished, which one to take back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.postgres import DatabaseUnreachable
from cartctl.engine.journal import FileJournal, Journal, KeptJournal, PostgresJournal, catch_up
from cartctl.engine.keeper import ClusterJournal
from cartctl.engine.model import Evidence
from cartctl.engine.state import State, fold
from cartctl.errors import OperatorNeeded, Refused
from cartctl.ports import Ports

WAYS_ON = {  # plan → how an unfinished run of it is ended
    "deploy": "cartctl deploy --resume, or cartctl rollback",
    "revision": "cartctl rollback --to-revision DEPLOYMENT=N",
    "migrate": "cartctl migrate deploy",
    "migrate index": "cartctl migrate index --concurrently",
    "migrate adopt": "cartctl migrate adopt",
    "snapshot restore": "cartctl snapshot restore --cart-only",
    "rollout": "cartctl rollout advance, or cartctl rollout abort",
}


@dataclass(frozen=True, slots=True)
class Journals:
    """All journals as one, and the database's own (None while it is gone)."""

    kept: KeptJournal
    main: PostgresJournal | None

    @property
    def owned(self) -> PostgresJournal:
        """The database's own, where the lock's owner is written down."""
        if self.main is None:
            raise OperatorNeeded("The database does not answer.", hint="Take the code back: cartctl rollback")
        return self.main

    def state(self, run: str) -> State:
        """A run as it stands, on top of the run that it takes back."""
        own = fold(run, self.kept.events(run))
        if own.of is None:
            return own
        state = State(run)
        state.inherit(fold(own.of, self.kept.events(own.of)))
        for event in self.kept.events(run):
            state.take(event)
        return state

    def unfinished(self) -> State | None:
        """The newest run that has no end, if there is one."""
        newest = next(iter(self.kept.open_runs()), None)
        return None if newest is None else self.state(newest)

    def to_take_back(self, run: str | None) -> State:
        """The run asked for, or the newest deployment whose releases changed an image.

        Raises Refused when there is none.
        """
        for known in self.kept.runs():
            state = self.state(known)
            if known == run or (run is None and state.plan == "deploy" and _released(state)):
                return state
        if run is None:
            raise Refused(
                "No deployment has changed an image: there is nothing to take back.",
                hint="See: cartctl history",
            )
        raise Refused(f"There is no run {run}.", hint="See: cartctl history")

    def origin(self, taken: State) -> dict[str, Any]:
        """The results of `taken`, with those of the run that migrated: the tables may be older than the images."""
        for run in [taken.run, *[known for known in self.kept.runs() if known < taken.run]]:
            results = taken.results if run == taken.run else self.state(run).results
            migrated = results.get("migrate")
            if "fingerprint" in results and (migrated is None or migrated["difference"]["added"]):
                return {**taken.results, "fingerprint": results["fingerprint"], "migrate": migrated}
        return dict(taken.results)


def _released(state: State) -> bool:
    """Whether a release of this run changed an image, put back since or not, or the run is still under way.

    One that took itself back is the newest all the same: taking it back again changes nothing, while the one before it
    may be the version that serves.
    """
    return not state.finished or any(
        _changed(evidence) for evidence in state.touched.values() if evidence.kind == "release"
    )


def _changed(evidence: Evidence) -> bool:
    """Compared by reference: a digest is learnt later."""
    before = {name: image["ref"] for name, image in evidence.before.items()}
    return any({name: image["ref"] for name, image in to.items()} != before for to in evidence.to)


def refuse_unfinished(journals: Journals) -> None:
    """Raise Refused while a run has no end: its half-way state would become the state to go back to."""
    unfinished = journals.unfinished()
    if unfinished is None:
        return
    ways = WAYS_ON.get(unfinished.plan, "cartctl rollback")
    raise Refused(
        f"The {unfinished.plan} run {unfinished.run} is unfinished.",
        hint=f"Go on or back with: {ways}; or give it up with: cartctl deploy --abandon {unfinished.run}",
    )


@contextmanager
def open_journals(
    ports: Ports, *, without_database: bool = False, read_only: bool = False
) -> Iterator[Journals]:
    """The database's journal with its keepers; what was written while it was gone is copied back.

    Raises DatabaseUnreachable, unless the caller can do `without_database`.
    """
    file = FileJournal(ports.directory / "runs")
    keepers: list[Journal] = [file, ClusterJournal(ports.cluster)]
    with closing(PostgresJournal(ports.state)) as main:
        try:
            if read_only:
                main.runs()
            else:
                main.prepare()
                file.belong_to(main.identity())
                catch_up(main, file)
        except DatabaseUnreachable:
            if not without_database:
                raise
            yield Journals(KeptJournal(None, keepers), None)
        else:
            yield Journals(KeptJournal(main, keepers), main)
