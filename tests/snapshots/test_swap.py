"""The swap of two databases by itself: who is disconnected, what is opened again, and a connection that is lost meanwhile."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import psycopg
import pytest

from cartctl.adapters.postgres import Connection, DatabaseUnreachable, Postgres
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, Interrupted, Locked, Refused, StepFailed
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.manifest.database_properties import read_properties
from cartctl.snapshots.restore import run as restoring
from cartctl.snapshots.restore import swap
from cartctl.snapshots.restore.plan import maintenance
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.restore.swap import Names
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.storage.work_directories import DiskFull
from tests.services import Server
from tests.snapshots.test_restore import names, sql


@dataclass
class Time:
    """A clock that only pauses move."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def pulse(self) -> Pulse:
        """A pulse on it."""
        return Pulse(clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.pauses.append(seconds)
        self.now += seconds


class Watching:
    """A final check on a connection from before; `refuses` is what it raises."""

    def __init__(self, database: Postgres, refuses: BaseException | None = None) -> None:
        self._database, self._refuses = database, refuses
        self.others: list[int] = []

    @contextmanager
    def waiting(self) -> Iterator[Connection]:
        """The connection."""
        with self._database.session("watcher") as connection:
            yield connection

    def refuse_now(self, connection: Connection) -> None:
        """Who else is connected now."""
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        assert row
        self.others.append(row[0])
        if self._refuses:
            raise self._refuses


@dataclass
class Pair:
    """A live database with one table, and the one that shall take its place."""

    server: Server
    live: Postgres
    new: Postgres
    connection: Connection
    reconnected: int = 0

    def swap(self, check: Watching | None, pulse: Pulse | None = None, *, disconnect: bool = False) -> str:
        """Swap them; the name that the former one has now."""
        aside = f"{self.live.name}_aside"
        swap.swap(
            self.connection,
            Names(self.live.name, self.new.name, aside),
            pulse or Pulse(),
            disconnect=disconnect,
            around=read_properties(self.connection, self.live.name),
            final_check=check,
            reconnect=self.reconnect,
        )
        return aside

    def reconnect(self) -> AbstractContextManager[Connection]:
        """Another connection to the maintenance database."""
        self.reconnected += 1
        return maintenance(self.live)

    def holds(self, name: str) -> str:
        """What is in the table of a database that takes connections."""
        return str(sql(self.server.database(name), "SELECT n FROM t")[0][0])


@pytest.fixture
def pair(pg18: Server) -> Iterator[Pair]:
    """Both, and nothing of them afterwards."""
    before = names(pg18)
    live, new = pg18.create_database(), pg18.create_database()
    for database, text in ((live, "old"), (new, "new")):
        sql(database, f"CREATE TABLE t AS SELECT '{text}' AS n")
    pg18.execute(f"COMMENT ON DATABASE \"{live.name}\" IS 'the shop'")
    with maintenance(live) as connection:
        swap.mark_unfinished(connection, new.name, live.name)
        yield Pair(pg18, live, new, connection)
    for left in names(pg18) - before:
        pg18.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


def test_the_new_one_is_live_and_the_former_one_is_kept_open(pair: Pair) -> None:
    """Nobody else is connected at the final check; the mark of an unfinished one is gone, the comment is the live one's."""
    assert swap.unfinished(pair.connection, pair.live.name) == [pair.new.name]
    assert swap.unfinished(pair.connection, pair.new.name) == []
    check = Watching(pair.live)
    aside = pair.swap(check)
    assert (pair.holds(pair.live.name), pair.holds(aside)) == ("new", "old")
    assert (check.others, pair.reconnected) == ([0], 0)
    assert swap.unfinished(pair.connection, pair.live.name) == []
    assert read_properties(pair.connection, pair.live.name).comment == "the shop"
    assert not swap.exists(pair.connection, pair.new.name)


def test_somebody_who_is_connected_stops_it_or_is_ended(pair: Pair) -> None:
    """Then the live database is as it was, and open."""
    with psycopg.connect(pair.live.dsn, application_name="clerk", autocommit=True) as clerk:
        assert ["application clerk" in each for each in swap.connected(pair.connection, pair.live.name)] == [
            True
        ]
        with pytest.raises(Refused, match=r"Other sessions are connected to .*application clerk") as refused:
            pair.swap(Watching(pair.live))
        assert "--disconnect" in refused.value.hint
        assert clerk.execute("SELECT 1").fetchone() == (1,)
        assert (pair.holds(pair.live.name), pair.holds(pair.new.name)) == ("old", "new")
        check = Watching(pair.live)
        pair.swap(check, disconnect=True)
        assert check.others == [0]
        with pytest.raises(psycopg.OperationalError):
            clerk.execute("SELECT 1")
    assert pair.holds(pair.live.name) == "new"


@pytest.mark.parametrize("error", (CheckFailed("a row too many"), KeyboardInterrupt(), Interrupted("stop")))
def test_what_the_final_check_raises_leaves_the_live_one_open(pair: Pair, error: BaseException) -> None:
    """Whatever it is."""
    with pytest.raises(type(error)):
        pair.swap(Watching(pair.live, error))
    assert (pair.holds(pair.live.name), pair.holds(pair.new.name)) == ("old", "new")
    assert (pair.reconnected, pair.connection.closed) == (0, False)


def test_a_live_database_that_is_gone_is_only_replaced(pair: Pair) -> None:
    """There is nothing to keep, nor to check."""
    pair.server.drop(pair.live)
    check = Watching(pair.live)
    around = read_properties(pair.connection, pair.new.name)
    names_ = Names(pair.live.name, pair.new.name, "never")
    swap.swap(
        pair.connection,
        names_,
        Pulse(),
        disconnect=False,
        around=around,
        final_check=check,
        reconnect=pair.reconnect,
    )
    assert (pair.holds(pair.live.name), check.others) == ("new", [])
    assert not swap.exists(pair.connection, "never")


def test_a_lost_connection_is_replaced_as_soon_as_the_server_is_back(pair: Pair) -> None:
    """A second between two attempts; the new connection is closed at the end."""
    clock, tries = Time(), [DatabaseUnreachable("down"), DatabaseUnreachable("down")]

    def reconnect() -> AbstractContextManager[Connection]:
        if tries:
            raise tries.pop()
        return pair.reconnect()

    pulse = clock.pulse()
    pulse.alarm(Interrupted("stop"))  # nobody may be left locked out
    with swap._again(reconnect, "shop", pulse) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    assert (clock.pauses, again.closed) == ([1.0, 1.0], True)


def test_a_server_that_does_not_come_back_is_named_with_the_way_to_repair() -> None:
    """After a minute; another error is raised as it is."""

    def down() -> AbstractContextManager[Connection]:
        raise DatabaseUnreachable("connection refused.")

    clock = Time()
    lost = r"lost while shop was replaced: connection refused\."
    with pytest.raises(StepFailed, match=lost) as failed, swap._again(down, "shop", clock.pulse()):
        pytest.fail("there is no connection")
    assert clock.now == 60.0
    assert 'ALTER DATABASE "shop" ALLOW_CONNECTIONS true' in failed.value.hint

    def broken() -> AbstractContextManager[Connection]:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"), swap._again(broken, "shop", clock.pulse()):
        pytest.fail("there is no connection")


def test_one_restore_at_a_time_on_a_server(pair: Pair) -> None:
    """Whatever database; the lock goes with the connection, and its key is that of every version of cartctl."""
    assert [part.to_bytes(4, "big") for part in swap.KEY] == [b"cart", b"rest"]
    with maintenance(pair.live) as other:
        with (
            swap.holding(other, "one"),
            pytest.raises(Locked, match="running on the server of two"),
            swap.holding(pair.connection, "two"),
        ):
            pytest.fail("held")
        other.execute("SELECT pg_advisory_unlock_all()")
        with swap.holding(pair.connection, "two"):
            pass


def test_names_and_owners_are_those_of_the_server(pair: Pair) -> None:
    """A free name is numbered; owners beside the database's and ourselves are named once."""
    live, connection = pair.live.name, pair.connection
    assert (swap.exists(connection, live), swap.exists(connection, "not there")) == (True, False)
    assert swap.free_name(connection, live, "x") == f"{live}_x"
    pair.server.execute(f'CREATE DATABASE "{live}_x"')
    assert swap.free_name(connection, live, "x") == f"{live}_x_2"
    assert swap._oid(connection, "not there") is None
    assert swap._oid(connection, live) != swap._oid(connection, pair.new.name)
    pair.server.execute("DROP ROLE IF EXISTS sw_owner")
    pair.server.execute("CREATE ROLE sw_owner")
    sql(pair.live, "ALTER TABLE t OWNER TO sw_owner")
    assert (swap.other_owners(connection, live), swap.other_owners(connection, pair.new.name)) == (
        ["sw_owner"],
        [],
    )
    sql(pair.live, "ALTER TABLE t OWNER TO postgres")
    pair.server.execute("DROP ROLE sw_owner")


def test_a_prepared_transaction_stops_it_by_name(pg15: Server) -> None:
    """It is nobody's connection, and ends with no disconnecting."""
    database = pg15.create_database()
    with psycopg.connect(database.dsn) as client, maintenance(database) as connection:
        client.execute("CREATE TABLE t (n int)")
        swap.refuse_prepared(connection, database.name)
        client.execute("PREPARE TRANSACTION 'sw_one'")
        with pytest.raises(Refused, match=r"Prepared transactions block renaming .*sw_one") as refused:
            swap.refuse_prepared(connection, database.name)
        assert "ROLLBACK PREPARED 'sw_one'" in refused.value.hint
        assert not any("sw_one" in each for each in swap.connected(connection, database.name))
    with psycopg.connect(database.dsn, autocommit=True) as client:
        client.execute("ROLLBACK PREPARED 'sw_one'")
    pg15.drop(database)


@pytest.fixture
def small(pair: Pair, store: Store) -> Subject:
    """A small database with a snapshot called one."""
    subject = Subject("test", pair.live, lambda _: "same")
    create(subject, store, "one", Pulse())
    return subject


def test_a_restore_reports_rows_time_and_what_was_kept(
    pair: Pair, small: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds to the millisecond; a database without a journal has none afterwards."""
    times = iter((10.0, 12.34567))
    monkeypatch.setattr(restoring, "time", SimpleNamespace(monotonic=lambda: next(times)))
    done = restore(small, store, "one", Pulse(), disconnect=False, accepted=None)
    assert (done.seconds, done.rows, done.snapshot, done.database) == (2.346, 1, "one", pair.live.name)
    assert (done.warnings, list(done.loss.lines())) == ((), [])
    assert done.kept_as
    assert pair.holds(done.kept_as) == "old"
    assert sql(pair.live, "SELECT to_regnamespace('cartctl_journal')::text") == [(None,)]


@pytest.mark.parametrize(
    ("message", "kind"),
    (("could not extend file: No space left on device", DiskFull), ("pg_restore: error: x", StepFailed)),
)
def test_a_full_disk_is_named_as_one_and_the_unfinished_database_is_removed(
    pair: Pair,
    small: Subject,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    message: str,
    kind: type[Exception],
) -> None:
    """Any other failure is raised as it is."""

    def fail(*_: object, **__: object) -> None:
        raise StepFailed(message)

    before = names(pair.server)
    monkeypatch.setattr(restoring, "fill", fail)
    with pytest.raises(StepFailed) as failed:
        restore(small, store, "one", Pulse(), disconnect=False, accepted=None)
    assert type(failed.value) is kind
    assert names(pair.server) == before - {pair.new.name}  # its mark says that it is unfinished
    assert pair.holds(pair.live.name) == "old"


def test_rows_that_are_in_no_dump_are_lost_only_with_consent(
    pair: Pair, small: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any loss accepted: a warning; a loss that was shown: refused, for it was not among it."""
    from cartctl.snapshots.data_loss.assessment import Loss

    monkeypatch.setattr(restoring, "rows_not_dumped", lambda *_: ["public.jobs: 3 rows"])
    with pytest.raises(Refused, match=r"would be lost: public\.jobs: 3 rows") as refused:
        restore(small, store, "one", Pulse(), disconnect=False, accepted=Loss())
    assert "--allow-data-loss" in refused.value.hint
    assert pair.holds(pair.live.name) == "old"
    done = restore(small, store, "one", Pulse(), disconnect=False, accepted=None)
    assert done.warnings == ("public.jobs: 3 rows",)


def test_an_alarm_before_the_swap_leaves_everything_as_it_was(
    pair: Pair, small: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the rows are restored; the journal is carried last."""
    sql(pair.live, "CREATE SCHEMA cartctl_journal CREATE TABLE event (id int)")
    before, pulse = names(pair.server) - {pair.new.name}, Pulse()
    carry = restoring._carry_journal

    def alarmed(*arguments: object) -> None:
        pulse.alarm(Interrupted("stop"))
        carry(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(restoring, "_carry_journal", alarmed)
    with pytest.raises(Interrupted):
        restore(small, store, "one", pulse, disconnect=False, accepted=None)
    assert (names(pair.server), pair.holds(pair.live.name)) == (before, "old")
