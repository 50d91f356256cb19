"""Workers stand at 0 while their image is set: what they ran is recorded before, and compared once they run again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cartctl.adapters.cluster import Image
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.model import Restore, Run, Step
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse
from cartctl.engine.runner import Runner
from cartctl.engine.state import State, fold
from cartctl.steps.release import Release
from cartctl.steps.replicas import Replicas
from tests.engine.test_runner import Free
from tests.kubernetes.namespace import Played

WORKER, SIZE = "job-worker.api", "deployment/job-worker"
MOVED = "sha256:" + "f" * 64


def release(played: Played, ran: Mapping[str, Mapping[str, str]], ref: str = "") -> Release:
    """The workers' release, or (without an image) one rebuilt from evidence."""
    expected = {WORKER: ref} if ref else None
    return Release(
        "release.workers", (WORKER,), played.cluster, timeout=played.seconds, images=expected, ran=lambda: ran
    )


def size(played: Played, expected: int | None = None) -> Replicas:
    """The workers' number."""
    return Replicas(
        "workers.stop",
        (SIZE,),
        played.cluster,
        timeout=played.seconds,
        drain=played.seconds,
        new_size=lambda _, now: now if expected is None else expected,
    )


def travel(played: Played, home: Path, run: str, *plan: Step, of: State | None = None) -> State:
    """A run of these steps to its end; `of` is the one that it takes back."""
    file, state = FileJournal(home), State(run)
    if of is not None:
        state.inherit(of)
    kinds: Any = {"release": lambda *_: release(played, {}), "replicas": lambda *_: size(played)}
    now = Run(run, "test", datetime.now(UTC), home, "running", {})
    runner = Runner(
        now,
        state,
        ReplicatedJournal(file, []),
        kinds=kinds,
        lock=Free(),
        pulse=Pulse(),
        observe=lambda _: None,
        on_failure=OnFailure.CONTINUE,
    )
    assert runner.execute(plan, {}).word == "succeeded"
    return state


def test_workers_that_were_stopped_get_their_digest_back_where_the_tag_has_moved(
    played: Played, tmp_path: Path
) -> None:
    """Released and taken back at 0; when they run again under the former tag another image comes up, and goes."""
    played.deploy("job-worker", replicas=1)
    before = release(played, {}).observe((WORKER,))[WORKER]
    assert before.digest
    ran = {WORKER: {before.ref: before.digest}}
    forth = travel(
        played,
        tmp_path,
        "r1",
        size(played, 0),
        release(played, ran, played.images.second),
        Restore("workers.start", of="workers.stop"),
    )
    assert fold("r1", FileJournal(tmp_path).events("r1")).evidence["release.workers"].before[WORKER][
        "digest"
    ] == (before.digest)
    played.nodes.digests[played.images.first] = MOVED
    back = travel(
        played,
        tmp_path,
        "r2",
        size(played, 0),
        Restore("undo.workers", of="release.workers", again=True),
        Restore("workers.start", of="workers.stop"),
        Restore("undo.workers.running", of="release.workers"),
        of=forth,
    )
    assert back.evidence == {}
    assert played.refs("job-worker") == {"api": before.pinned}
    (pod,) = [pod for pod in played.cluster.pods("job-worker") if not pod.ending]
    assert (pod.images["api"], pod.images["api"].digest) == (Image(str(before.pinned)), before.digest)


def test_a_reference_that_somebody_changed_meanwhile_has_no_digest(played: Played) -> None:
    """What another image ran is nothing to go back to."""
    played.deploy("job-worker", replicas=1)
    ran = {WORKER: {"acme/api:other": MOVED}}
    size(played).move({SIZE: 0}, Pulse())
    assert release(played, ran).observe((WORKER,))[WORKER].digest is None
    ran = {WORKER: {played.images.first: MOVED}}
    assert release(played, ran).observe((WORKER,))[WORKER].digest == MOVED
