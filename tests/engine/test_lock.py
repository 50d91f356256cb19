"""One run at a time: the lock, its owner, stop requests, and what happens when its connection is lost."""

import json
import socket
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.engine.events import Event
from cartctl.engine.journal.cluster_copy import MAX_RUNS, ClusterJournal
from cartctl.engine.journal.replicated_journal import ReplicatedJournal, catch_up
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import RunLock, StopRequested, find_holder, hand_over
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.engine.state import State
from cartctl.errors import Locked, LockLost, StepFailed
from tests.engine.toy import BEGINNING, Set, World, forward, travel


@pytest.fixture
def journal(empty_database: Postgres) -> PostgresJournal:
    """The journal of an empty database."""
    made = PostgresJournal(empty_database)
    made.prepare()
    return made


def test_a_second_run_is_refused_and_the_holder_named(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Whoever comes second learns run, user, host, pid and the last heartbeat."""
    with (
        RunLock(empty_database, journal, "r1", Pulse()),
        pytest.raises(Locked, match=r"run r1 of \w+@.* \(pid \d+\)"),
    ):
        RunLock(empty_database, journal, "r2", Pulse()).__enter__()
    with RunLock(empty_database, journal, "r3", Pulse(), wait=3):
        journal.close()


def test_a_stop_request_alarms_the_living_run_within_seconds(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """The asked run's pulse raises, the request is acknowledged in the journal, and the asker gets the lock."""
    pulse = Pulse()
    with RunLock(empty_database, journal, "r1", pulse):
        asker = threading.Thread(
            target=lambda: hand_over(
                empty_database, journal, Pulse(), take_over=False, timeout=60, say=lambda _: None
            )
        )
        asker.start()
        with pytest.raises(StopRequested):
            pulse.wait(lambda: False, 60, what="a stop request")
        deadline = time.monotonic() + 60
        while "acknowledged" not in {event.event for event in journal.events("r1")}:
            assert time.monotonic() < deadline
    asker.join(timeout=60)
    assert not asker.is_alive()
    journal.close()


def test_taking_over_ends_the_backend_and_the_former_owner_notices(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """--take-over frees the lock at once; the run that lost it may not go on while another holds it."""
    with RunLock(empty_database, journal, "r1", Pulse()) as lost:
        hand_over(empty_database, journal, Pulse(), take_over=True, timeout=5, say=lambda _: None)
        with RunLock(empty_database, journal, "r2", Pulse()), pytest.raises(LockLost, match="r2"):
            lost.confirm()
    journal.close()


def test_a_lost_connection_is_replaced_while_the_lock_is_free(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """A server restart, seen as a terminated backend, does not end the run."""
    with (
        RunLock(empty_database, journal, "r1", Pulse()) as lock,
        empty_database.session("test") as connection,
    ):
        holder = find_holder(connection, journal)
        assert holder is not None
        connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        lock.confirm()
        again = find_holder(connection, journal)
        assert again is not None
        assert (again.run, again.backend != holder.backend) == ("r1", True)
    journal.close()


def test_the_journal_survives_the_loss_of_its_connection(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """An event is written over a new connection when the old one was terminated."""
    journal.append(Event("r1", datetime.now(UTC), "run", "started", {"plan": "deploy"}))
    with empty_database.session("test") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cartctl journal'"
        )
    journal.append(Event("r1", datetime.now(UTC), "run", "finished", {"outcome": "succeeded"}))
    assert [event.event for event in journal.events("r1")] == ["started", "finished"]
    journal.close()


def test_a_connection_that_ends_without_a_word_is_replaced_too(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """A proxy or a network drops it: the server says nothing, so there is no SQLSTATE."""
    journal.append(Event("r1", datetime.now(UTC), "run", "started", {"plan": "deploy"}))
    with socket.fromfd(journal._connection().fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as dropped:
        dropped.shutdown(socket.SHUT_RDWR)
    journal.append(Event("r1", datetime.now(UTC), "run", "finished", {"outcome": "succeeded"}))
    assert [event.event for event in journal.events("r1")] == ["started", "finished"]
    journal.close()


def test_an_event_that_the_server_rejects_is_sent_once(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Only a lost connection is a reason to try again."""
    with empty_database.session("test") as connection:
        connection.execute(
            """
            CREATE SEQUENCE attempts;
            CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN PERFORM nextval('public.attempts'); RAISE EXCEPTION 'not today'; END $$;
            CREATE TRIGGER reject BEFORE INSERT ON cartctl_journal.event FOR EACH ROW EXECUTE FUNCTION reject()
            """
        )
    with pytest.raises(StepFailed, match="not today"):
        journal.append(Event("r1", datetime.now(UTC), "run", "started", {"plan": "deploy"}))
    journal.close()
    with empty_database.session("test") as connection:
        assert connection.execute("SELECT last_value FROM attempts").fetchone() == (1,)


def test_what_was_written_without_the_database_is_copied_back_once(
    tmp_path_factory: pytest.TempPathFactory, journal: PostgresJournal
) -> None:
    """Events kept locally reach the database later, in order and without repetition."""
    file = FileJournal(tmp_path_factory.mktemp("runs"))
    kept = ReplicatedJournal(None, [file])
    for name in ("started", "undoing", "finished"):
        kept.append(Event("r1", datetime.now(UTC), "run", name, {"plan": "rollback", "outcome": "succeeded"}))
    assert (catch_up(journal, file), catch_up(journal, file)) == (3, 0)
    assert journal.events("r1") == file.events("r1")
    journal.close()


def test_a_wait_ends_at_its_deadline_naming_what_it_waited_for() -> None:
    """TimedOut says what took too long; no real time passes."""
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(TimedOut, match="The release of x took longer than 5 s"):
        pulse.wait(lambda: None, 5, what="The release of x")


def test_an_alarm_cancels_what_blocks_and_hides_what_that_raises() -> None:
    """Inside cancelling, the cancelled call's own error gives way to the alarm."""
    pulse = Pulse()
    cancelled = threading.Event()

    def block() -> None:
        threading.Timer(0.05, lambda: pulse.alarm(StepFailed("trigger"))).start()
        assert cancelled.wait(5)
        raise OSError("cancelled")

    with pytest.raises(StepFailed, match="trigger"), pulse.cancelling(cancelled.set):
        block()
    pulse.without_alarms().check()


def test_runs_of_a_database_that_was_made_anew_stay_aside(
    tmp_path_factory: pytest.TempPathFactory, journal: PostgresJournal
) -> None:
    """A local journal of another database at the same address is moved aside, not copied into the new one."""
    home = tmp_path_factory.mktemp("environment") / "runs"
    file = FileJournal(home)
    file.belong_to("11111111-former")
    file.append(Event("r1", datetime.now(UTC), "run", "started", {"plan": "deploy"}))
    file.belong_to(journal.identity())
    assert (file.runs(), catch_up(journal, file), journal.runs()) == ([], 0, [])
    assert FileJournal(home.with_name("runs_11111111")).runs() == ["r1"]
    file.belong_to(journal.identity())
    journal.close()


def test_a_lost_lock_is_not_taken_up_again_over_somebody_elses_work(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Another run held the lock in between and is done: the former owner must not go on."""
    with (
        RunLock(empty_database, journal, "r1", Pulse()) as lost,
        empty_database.session("test") as connection,
    ):
        holder = find_holder(connection, journal)
        assert holder is not None
        connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        with RunLock(empty_database, journal, "r2", Pulse(), wait=5):
            pass
        with pytest.raises(LockLost, match="r2 has been active since"):
            lost.confirm()
    journal.close()


def test_a_run_whose_lock_was_taken_by_force_reverts_nothing(
    empty_database: Postgres, journal: PostgresJournal, tmp_path: Path
) -> None:
    """A rollback with --take-over has ended its session: when the hanging step fails at last, the values are another run's."""
    world = World.here = World(tmp_path / "world.json")
    world.path.write_text(json.dumps(BEGINNING))

    class Hanging(Set):
        """Moves its numbers, and fails after another run has come and gone."""

        def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
            super().move(to, pulse)
            hand_over(empty_database, journal, Pulse(), take_over=True, timeout=60, say=lambda _: None)
            with RunLock(empty_database, journal, "r2", Pulse(), wait=60):
                pass
            raise TimedOut("not ready within 1 s")

    plan = (forward(world)[0], Hanging("release", ("image",), world, 2))
    store = ReplicatedJournal(journal, [])
    with RunLock(empty_database, journal, "r1", pulse := Pulse()) as lock:
        outcome = travel(plan, State("r1"), store, lock, pulse=pulse, on_failure=OnFailure.UNDO)
    assert (outcome.word, outcome.exit_code) == ("interrupted", 5)
    assert "has been active since" in outcome.message or "requested that run r1 stop" in outcome.message
    assert world.read() == BEGINNING | {"replicas": 3, "image": 2}
    assert not {event.event for event in journal.events("r1")} & {"undoing", "restored", "failed"}
    journal.close()


def test_without_the_database_the_keepers_know_together(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A machine with an older journal of its own still sees the newer run that another keeper has."""
    old, new = (FileJournal(tmp_path_factory.mktemp(name)) for name in ("old", "new"))
    for keeper, run in ((old, "20260101"), (new, "20260101"), (new, "20260102")):
        keeper.append(Event(run, datetime(2026, 1, 1, tzinfo=UTC), "run", "started", {"plan": "deploy"}))
    kept = ReplicatedJournal(None, [old, new])
    assert (kept.runs(), len(kept.events("20260101"))) == (["20260102", "20260101"], 1)
    assert kept.open_runs() == ["20260102", "20260101"]


class Settings:
    """A ConfigMap store in memory, as the cluster's keeper needs it: no cluster can be asked to be full."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def settings(self, name: str) -> dict[str, str]:
        """All keys."""
        assert name
        return dict(self.kept)

    def put_settings(self, name: str, changes: Mapping[str, str | None]) -> None:
        """Write or remove keys."""
        assert name
        self.kept = {key: text for key, text in {**self.kept, **changes}.items() if text is not None}


def test_runs_that_released_nothing_make_room_in_the_cluster_first() -> None:
    """A deployment's evidence outlives any number of refused runs after it."""
    store = Settings()
    keeper = ClusterJournal(cast("Any", store))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(30):
        run = f"r{number:02}"
        keeper.append(Event(run, at, "run", "started", {"plan": "deploy"}))
        if number == 3:
            keeper.append(Event(run, at, "release.api", "intended", {"kind": "release"}))
    assert "r03" in keeper.runs()
    assert len(keeper.runs()) == MAX_RUNS
    keeper.belong_to("one")
    keeper.belong_to("one")
    assert "r03" in keeper.runs()
    keeper.belong_to("another")
    assert keeper.runs() == []
