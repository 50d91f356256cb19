"""The lock while others wait for it, ask for it or lose it; and the database's journal, which decides what has happened."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.engine import lock
from cartctl.engine.events import STOP, Event
from cartctl.engine.journal.stores import ITSELF, JournalRefused, PostgresJournal
from cartctl.engine.lock import Holder, RunLock, StopRequested, find_holder, hand_over, holder_of, whoami
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, Locked, LockLost
from tests.services import Server

SOON = 20.0  # seconds that a busy machine may take
ENDS = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"


@pytest.fixture
def journal(empty_database: Postgres) -> Iterator[PostgresJournal]:
    """The journal of an empty database."""
    with closing(PostgresJournal(empty_database)) as made:
        made.prepare()
        yield made


def event(run: str, name: str, key: str = "run", **data: object) -> Event:
    """An event of now."""
    return Event(run, datetime.now(UTC), key, name, data)


def end_session(database: Postgres, application: str) -> None:
    """Terminate a session, and wait until it is gone."""
    with database.session("test") as connection:
        assert connection.execute(ENDS, (f"cartctl {application}",)).fetchone() == (1,)


def await_sessions(database: Postgres, run: str, count: int) -> None:
    """Wait until a run's lock has so many connections: a server notices a closed one after a moment."""
    query, end = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", time.monotonic() + SOON
    with database.session("test") as connection:
        while connection.execute(query, (f"cartctl run {run}",)).fetchone() != (count,):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_the_holder_says_who_and_since_when() -> None:
    """A heartbeat of the future (another clock) is one of now."""
    since = datetime(2026, 12, 1, 2, 3, 4, tzinfo=UTC)
    holder = Holder("r1", 7, since, datetime.now(UTC) - timedelta(seconds=42.2), "ops", "host", 12)
    assert str(holder) == (
        "run r1 of ops@host (pid 12), since 2026-12-01 02:03:04 UTC, last heartbeat 42 s ago"
    )
    ahead = Holder("r1", 7, since, datetime.now(UTC) + timedelta(hours=1), "ops", "host", None)
    assert str(ahead).endswith("last heartbeat 0 s ago")
    assert "(pid unknown)" in str(ahead)
    assert re.fullmatch(r"run r1 of \S+@\S+ \(pid \d+\)", holder_of("r1"))


def test_the_locks_key_stays_the_same() -> None:
    """A process of another version of cartctl must find the lock taken; its thread never keeps a process alive."""
    assert [part.to_bytes(4, "big").lstrip(b"\0") for part in lock.KEY] == [b"cart", b"ctl"]
    assert RunLock(Postgres(""), PostgresJournal(Postgres("")), "r1", Pulse())._thread.daemon


def test_nobody_holds_a_free_lock_nor_that_of_another_database(
    pg18: Server, empty_database: Postgres, journal: PostgresJournal
) -> None:
    """The lock is the database's own."""
    other = pg18.create_database()
    with closing(PostgresJournal(other)) as others:
        others.prepare()
        with (
            RunLock(other, others, "r1", Pulse()),
            empty_database.session("test") as connection,
            other.session("test") as beside,
        ):
            assert find_holder(connection, journal) is None
            assert find_holder(beside, others)
    pg18.drop(other)


def test_the_holder_is_the_one_that_acquired_it_last(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Events of earlier sessions of the run, and of other keys, are not its; without any the user is unknown."""
    with RunLock(empty_database, journal, "r1", Pulse()), empty_database.session("test") as connection:
        (acquired,) = journal.events("r1")
        backend = acquired.data["backend"]
        journal.append(event("r1", "acquired", "lock", backend=backend, user="ann", host="h2", pid=5))
        journal.append(event("r1", "acquired", "lock", backend=backend + 1, user="old", host="h1", pid=3))
        journal.append(event("r1", "requested", STOP, backend=backend, user="bob", host="h3", pid=4))
        holder = find_holder(connection, journal)
        assert holder
        assert (holder.run, holder.backend) == ("r1", backend)
        assert (holder.user, holder.host, holder.pid) == ("ann", "h2", 5)
        assert holder.since <= holder.heartbeat
        connection.execute("DELETE FROM cartctl_journal.event")
        holder = find_holder(connection, journal)
        assert holder
        assert (holder.user, holder.host, holder.pid) == ("unknown", "unknown", None)
        assert acquired.data == {"backend": backend, **whoami()}


def test_a_run_waits_for_the_lock_as_long_as_it_may(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """And is refused then, with who holds it; the attempt leaves no connection."""
    with RunLock(empty_database, journal, "r1", Pulse()):
        began = time.monotonic()
        with pytest.raises(Locked, match="The lock is held by run r1 of"):
            RunLock(empty_database, journal, "r2", Pulse(), wait=1.0).__enter__()
        assert 1.0 <= time.monotonic() - began < SOON
        began = time.monotonic()
        pulse = Pulse(sleep=lambda _: pytest.fail("it must not wait"))
        with pytest.raises(Locked):
            RunLock(empty_database, journal, "r3", pulse).__enter__()
        await_sessions(empty_database, "r2", 0)
        await_sessions(empty_database, "r3", 0)
        pulse = Pulse()
        pulse.alarm(Interrupted("stop"))
        with pytest.raises(Interrupted):
            RunLock(empty_database, journal, "r4", pulse, wait=60).__enter__()
        await_sessions(empty_database, "r4", 0)
    await_sessions(empty_database, "r1", 0)
    assert {each.run for each in journal.events("r2")} == set()


def test_a_held_lock_is_confirmed_without_a_second_entry(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Only one that was lost is acquired and journalled again."""
    with RunLock(empty_database, journal, "r1", Pulse()) as held:
        held.confirm()
        held.confirm()
        assert [each.event for each in journal.events("r1")] == ["acquired"]
        end_session(empty_database, "run r1")
        held.confirm()
        first, second = journal.events("r1")
        assert first.data["backend"] != second.data["backend"]
        await_sessions(empty_database, "r1", 1)


def test_a_lock_that_was_unlocked_from_inside_is_acquired_again(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """As a connection pooler's reset would; the connection itself is well."""
    with RunLock(empty_database, journal, "r1", Pulse()) as held:
        assert held._connection
        held._connection.execute("SELECT pg_advisory_unlock_all()")
        held.confirm()
        assert [each.event for each in journal.events("r1")] == ["acquired", "acquired"]
        await_sessions(empty_database, "r1", 1)


@pytest.mark.parametrize(
    ("run", "key", "name", "lost"),
    (
        ("r1", STOP, "requested", "r1"),
        ("r1", "run", "finished", "r1"),
        ("r1", "lock", "forced", "r1"),
        ("r2", "lock", "acquired", "r2"),
        ("r2", "run", "started", ""),
        ("r1", "a", "applied", ""),
    ),
)
def test_what_happened_since_decides_whether_a_lost_lock_is_acquired_again(
    empty_database: Postgres, journal: PostgresJournal, run: str, key: str, name: str, lost: str
) -> None:
    """Another run's lock, a stop request, a forced lock or an end; what was before does not count."""
    for earlier in (
        event("r2", "acquired", "lock"),
        event("r1", "requested", STOP),
        event("r1", "forced", "lock"),
    ):
        journal.append(earlier)
    with RunLock(empty_database, journal, "r1", Pulse()) as held:
        journal.append(event(run, name, key, outcome="x", plan="x"))
        end_session(empty_database, "run r1")
        if not lost:
            held.confirm()
            return
        with pytest.raises(LockLost, match=f"Run r1 lost its lock, and run {lost} has been active since"):
            held.confirm()
        await_sessions(empty_database, "r1", 0)


def test_a_lost_lock_that_is_held_is_lost_for_good(
    empty_database: Postgres, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for during two heartbeats."""
    monkeypatch.setattr(lock, "HEARTBEAT", 0.4)
    with RunLock(empty_database, journal, "r1", Pulse()) as lost:
        end_session(empty_database, "run r1")
        with RunLock(empty_database, journal, "r2", Pulse(), wait=SOON):
            began = time.monotonic()
            with pytest.raises(LockLost, match="The lock of run r1 was lost: The lock is held by run r2"):
                lost.confirm()
            assert 0.8 <= time.monotonic() - began < SOON


class Counted(RunLock):
    """A lock that counts the given numbers of stop requests, one per heartbeat, and the last one from then on."""

    counts: Sequence[int | None] = ()
    beats = 0

    def _requests(self) -> int | None:
        self.beats += 1
        return self.counts[min(self.beats, len(self.counts)) - 1]


@pytest.mark.parametrize(
    ("counts", "stops_at"),
    (
        ((0, 0, 1), 3),
        ((2, 2, 3), 3),
        ((2, 2, 2), None),
        ((None, 2, 2, 3), 4),
        ((None, 2, 2), None),
        ((None, None, 0, 1), 4),
        ((1, None, 2), 3),
        ((1, None, 1), None),
        ((3, 2, 3), None),
    ),
)
def test_only_a_request_that_is_new_stops_the_run(
    empty_database: Postgres,
    journal: PostgresJournal,
    monkeypatch: pytest.MonkeyPatch,
    counts: tuple[int | None, ...],
    stops_at: int | None,
) -> None:
    """A heartbeat without a connection counts nothing and forgets nothing."""
    monkeypatch.setattr(lock, "HEARTBEAT", 0.02)
    pulse = Pulse()
    held = Counted(empty_database, journal, "r1", pulse)
    held.counts = counts
    with held:
        end = time.monotonic() + SOON
        while held.beats < len(counts) + 2 and held._thread.is_alive():
            assert time.monotonic() < end
            time.sleep(0.01)
    assert isinstance(pulse.cause, StopRequested) is (stops_at is not None)
    if stops_at is not None:
        assert held.beats == stops_at
        assert [each.event for each in journal.events("r1")] == ["acquired", "acknowledged"]
        assert pulse.cause
        assert pulse.cause.message == "Another process requested that run r1 stop."


def test_the_heart_beats_no_faster_than_it_must(empty_database: Postgres, journal: PostgresJournal) -> None:
    """Each beat is a query of every running run."""
    held = Counted(empty_database, journal, "r1", Pulse())
    held.counts = (0,)
    with held:
        time.sleep(0.3)
        assert held.beats <= 1


def test_a_request_from_before_the_run_resumed_does_not_stop_it(
    empty_database: Postgres, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do those for other runs; over the real connection."""
    monkeypatch.setattr(lock, "HEARTBEAT", 0.02)
    journal.append(event("r1", "requested", STOP))
    pulse = Pulse()
    with RunLock(empty_database, journal, "r1", pulse) as held:
        journal.append(event("r2", "requested", STOP))
        time.sleep(0.3)
        pulse.check()
        end_session(empty_database, "run r1")
        time.sleep(0.1)
        held.confirm()
        time.sleep(0.1)
        pulse.check()
        journal.append(event("r1", "requested", STOP))
        with pytest.raises(StopRequested):
            pulse.pause(SOON)


def test_a_hand_over_of_a_free_lock_is_nothing_to_say(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Neither a request nor a wait."""
    messages: list[str] = []
    hand_over(empty_database, journal, Pulse(), take_over=True, timeout=0, say=messages.append)
    assert (messages, journal.runs()) == ([], [])


def test_a_run_that_does_not_stop_keeps_its_lock(empty_database: Postgres, journal: PostgresJournal) -> None:
    """The request is journalled; after the time allowed it is refused with the way that works; an alarm ends the wait."""
    messages: list[str] = []
    with empty_database.session("run r1") as holder:
        holder.execute("SELECT pg_advisory_lock(%s, %s)", lock.KEY)
        began = time.monotonic()
        with pytest.raises(Locked, match=r"run r1 of .* did not stop within 0\.5 s\.") as refused:
            hand_over(empty_database, journal, Pulse(), take_over=False, timeout=0.5, say=messages.append)
        assert 0.5 <= time.monotonic() - began < SOON
        assert "--take-over" in refused.value.hint
        assert [text.startswith("Stopping run r1 of") for text in messages] == [True]
        assert [(each.key, each.event) for each in journal.events("r1")] == [(STOP, "requested")]
        pulse = Pulse()
        pulse.alarm(Interrupted("stop"))
        with pytest.raises(Interrupted):
            hand_over(empty_database, journal, pulse, take_over=False, timeout=60, say=messages.append)
        assert holder.execute("SELECT 1").fetchone() == (1,)
        hand_over(empty_database, journal, Pulse(), take_over=True, timeout=SOON, say=messages.append)
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")


def test_a_run_that_stops_in_time_hands_over(empty_database: Postgres, journal: PostgresJournal) -> None:
    """Without --take-over."""
    holder = empty_database.connect("run r1")
    holder.execute("SELECT pg_advisory_lock(%s, %s)", lock.KEY)
    threading.Timer(0.3, holder.close).start()
    hand_over(empty_database, journal, Pulse(), take_over=False, timeout=SOON, say=lambda _: None)
    assert holder.closed


REJECT = """
CREATE FUNCTION reject() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no schema today'; END$$;
CREATE EVENT TRIGGER reject ON ddl_command_start EXECUTE FUNCTION reject()
"""


def test_a_database_that_takes_no_journal_is_refused_with_the_reason(
    pg18: Server, empty_database: Postgres
) -> None:
    """An event trigger, a missing permission, a read-only server; nothing was changed, and later it works."""
    pg18.execute("DROP ROLE IF EXISTS journalist")
    pg18.execute("CREATE ROLE journalist LOGIN")
    with empty_database.session("test") as connection:
        connection.execute(REJECT)
        with closing(PostgresJournal(empty_database)) as journal:
            with pytest.raises(
                JournalRefused, match=r"could not be created in database \S+: no schema today"
            ):
                journal.prepare()
            connection.execute("DROP EVENT TRIGGER reject")
            poor = empty_database.as_user("journalist")
            with closing(PostgresJournal(poor)) as refused:
                with pytest.raises(JournalRefused, match="Role journalist has no permission to write") as why:
                    refused.prepare()
                assert why.value.hint.startswith("GRANT CREATE ON DATABASE ")
            assert connection.execute("SELECT to_regnamespace('cartctl_journal')").fetchone() == (None,)
            assert (journal.events("r1"), journal.runs(), journal.open_runs()) == ([], [], [])
            journal.prepare()
            with closing(PostgresJournal(poor)) as refused, pytest.raises(JournalRefused):
                refused.prepare()
            connection.execute("GRANT USAGE ON SCHEMA cartctl_journal TO journalist")
            connection.execute("GRANT INSERT ON cartctl_journal.event TO journalist")
            with closing(PostgresJournal(poor)) as allowed:
                allowed.prepare()
            name = pg18.name_of(empty_database)
            pg18.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            frozen = PostgresJournal(empty_database)
            with closing(frozen), pytest.raises(JournalRefused, match="is read-only"):
                frozen.prepare()
    with empty_database.session("test", default_transaction_read_only="off") as connection:
        connection.execute("DROP OWNED BY journalist")
    pg18.execute("DROP ROLE journalist")


def test_an_event_is_stored_once_and_a_real_error_is_not_retried(
    empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Only a lost connection is opened again."""
    under_way = event("r1", "started", plan="x")
    journal.append(under_way)
    journal.append(under_way)
    assert journal.events("r1") == [under_way]
    with empty_database.session("test") as connection:
        connection.execute("ALTER TABLE cartctl_journal.event ADD CHECK (run <> 'r2') NOT VALID")
        with pytest.raises(SqlFailed) as failed:
            journal.append(event("r2", "started", plan="x"))
        assert failed.value.sqlstate == "23514"
        assert connection.execute(ENDS, ("cartctl journal",)).fetchone() == (1,)
    journal.append(event("r3", "started", plan="x"))
    assert journal.runs() == ["r3", "r1"]
    journal.append(event("r3", "finished", outcome="x"))
    journal.append(event("r1", "finished", "a"))
    assert (journal.runs(), journal.open_runs()) == (["r3", "r1"], ["r1"])


def test_a_journals_identity_is_its_own_and_stays(
    pg18: Server, empty_database: Postgres, journal: PostgresJournal
) -> None:
    """Made once, also seen by another process; another database has another."""
    identity = journal.identity()
    assert identity == journal.identity()
    assert len(journal.events(ITSELF)) == 1
    with closing(PostgresJournal(empty_database)) as again:
        assert again.identity() == identity
    assert journal.runs() == []
    journal.append(event(ITSELF, "made", ITSELF, id="of a process that made one at the same time"))
    assert journal.identity() == identity
    other = pg18.create_database()
    with closing(PostgresJournal(other)) as others:
        others.prepare()
        assert others.identity() != identity
    pg18.drop(other)
