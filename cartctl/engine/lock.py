"""One run at a time: an advisory lock of the target database, with an identifiable holder.

The lock belongs to a dedicated connection, so the crash of its holder releases it within seconds.
A thread on the same connection listens for stop requests of other processes.
"""

import getpass
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import NoReturn, Protocol, Self

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, DatabaseUnreachable, Postgres, SqlFailed, translated
from cartctl.engine.events import LOCK, STOP, Event, EventKind
from cartctl.engine.journal.stores import Journal
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, Locked, LockLost, LockUnknown, Refused, as_error

_SINCE = """
SELECT run FROM cartctl_journal.event
WHERE id > (SELECT max(id) FROM cartctl_journal.event WHERE run = %(run)s AND key = 'lock' AND event = 'acquired')
  AND ((key = 'lock' AND (run <> %(run)s OR event = 'forced')) OR (run = %(run)s AND key = %(stop)s)
       OR (run = %(run)s AND event = 'finished'))
LIMIT 1"""  # other runs that have held the lock, or stop requests, since this run acquired it
KEY = (0x63617274, 0x63746C)  # "cart", "ctl"
HEARTBEAT = 1.0  # seconds


class StopRequested(Interrupted):
    """Another process requested that this run stop and release the lock."""

    code = "stop_requested"


class Lock(Protocol):
    """The lock as the runner uses it, before each step."""

    def confirm(self) -> None:
        """Raise LockLost if this run no longer holds the lock, LockUnknown if that cannot be determined."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The lock's holder. Times are the server's, from the backend's activity."""

    run: str
    backend: int
    since: datetime
    heartbeat: datetime
    user: str
    host: str
    pid: int | None

    def __str__(self) -> str:
        age = (datetime.now(UTC) - self.heartbeat).total_seconds()
        return (
            f"run {self.run} of {self.user}@{self.host} (pid {self.pid or 'unknown'}), "
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC, last heartbeat {max(0.0, age):.0f} s ago"
        )


def whoami() -> dict[str, str | int]:
    """User, host and process id of this process, for a lock event."""
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid()}


def holder_of(run: str) -> str:
    """The holder identity for the cluster's lease; it includes the process, since two processes may resume the same run."""
    return "run {} of {user}@{host} (pid {pid})".format(run, **whoami())


def find_holder(connection: Connection, journal: Journal) -> Holder | None:
    """The holder of this database's lock, or None. Read-only."""
    row = connection.execute(
        """SELECT a.pid, a.application_name, a.backend_start, COALESCE(a.state_change, a.backend_start)
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
           WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = (%s, %s, 2)
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        KEY,
    ).fetchone()
    if row is None:
        return None
    backend, application, since, heartbeat = row
    run = application.removeprefix("cartctl run ")
    acquisitions = [
        event.data
        for event in journal.events(run)
        if event.key == LOCK and event.data.get("backend") == backend
    ]
    owner = acquisitions[-1] if acquisitions else {}
    user, host = str(owner.get("user", "unknown")), str(owner.get("host", "unknown"))
    return Holder(run, backend, since, heartbeat, user, host, owner.get("pid"))


class RunLock:
    """Holds the lock for one run, as a context manager."""

    def __init__(
        self, postgres: Postgres, journal: Journal, run: str, pulse: Pulse, *, wait: float = 0.0
    ) -> None:
        self._postgres = postgres
        self._journal = journal
        self._run = run
        self._pulse = pulse
        self._wait = wait
        self._connection: Connection | None = None
        self._using = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, name="lock", daemon=True)

    def __enter__(self) -> Self:
        self._connection = self._acquire(time.monotonic() + self._wait, self._pulse)
        self._record()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=5)
        with self._using:
            if self._connection is not None:
                self._connection.close()

    def confirm(self) -> None:
        """Check `pg_locks`; after a lost connection (server restart) acquire the lock again if it is free."""
        with self._using:
            if not self._is_held():
                self._reacquire()

    def _is_held(self) -> bool:
        query = (
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() "
            "AND (classid, objid, objsubid) = (%s, %s, 2)"
        )
        try:
            with translated():
                return (
                    self._connection is not None
                    and self._connection.execute(query, KEY).fetchone() is not None
                )
        except SqlFailed:
            return False

    def _reacquire(self) -> None:
        """Acquire a lost lock again, unless another run has held it or requested a stop meanwhile."""
        if self._connection is not None:
            self._connection.close()
        try:
            # without alarms: Ctrl-C must not hide that another run has the lock
            self._connection = self._acquire(time.monotonic() + 2 * HEARTBEAT, self._pulse.without_alarms())
            with translated():
                others = self._connection.execute(_SINCE, {"run": self._run, "stop": STOP}).fetchone()
        except (Locked, DatabaseUnreachable, SqlFailed) as error:
            lost = LockLost if isinstance(error, Locked) else LockUnknown
            raise lost(
                f"The lock of run {self._run} was lost: {error.message}", hint="See: cartctl history"
            ) from error
        if others:
            self._connection.close()
            raise LockLost(
                f"Run {self._run} lost its lock, and run {others[0]} has been active since.",
                hint="See: cartctl history",
            )
        self._record()

    def _acquire(self, end: float, pulse: Pulse) -> Connection:
        connection = self._postgres.connect(
            f"run {self._run}", idle_session_timeout="0", idle_in_transaction_session_timeout="0"
        )
        try:
            with translated():
                _refuse_standby(connection)
                while not self._try_lock(connection):
                    if time.monotonic() >= end:
                        _refuse(connection, self._journal)
                    pulse.pause(random.uniform(0.1, 0.3))  # noqa: S311 - jitter, not a secret
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _try_lock(connection: Connection) -> bool:
        with effect("lock.take"):
            return connection.execute("SELECT pg_try_advisory_lock(%s, %s)", KEY).fetchone() == (True,)

    def _record(self) -> None:
        backend = self._connection.info.backend_pid if self._connection else None
        self._journal.append(
            Event(self._run, datetime.now(UTC), LOCK, EventKind.ACQUIRED, {"backend": backend, **whoami()})
        )

    def _heartbeat(self) -> None:
        """Send heartbeats and listen for stop requests; if this thread fails, the run must end, as it could not be stopped."""
        try:
            self._listen()
        except Exception as bug:  # noqa: BLE001 - raised in the main thread
            self._pulse.alarm(as_error(bug))

    def _listen(self) -> None:
        """Heartbeat on the lock's connection, and listen for stop requests on it."""
        initial = self._requests()
        while not self._ended.wait(HEARTBEAT):
            count = self._requests()
            if (
                initial is None or count is None
            ):  # the connection was lost: confirm() decides, in the main thread
                initial = count if initial is None else initial
            elif count > initial:
                self._pulse.alarm(StopRequested(f"Another process requested that run {self._run} stop."))
                self._journal.append(
                    Event(self._run, datetime.now(UTC), STOP, EventKind.ACKNOWLEDGED, whoami())
                )
                return

    def _requests(self) -> int | None:
        """The number of stop requests for this run; a count, because the clocks of two machines differ."""
        query = (
            "SELECT count(*) FROM cartctl_journal.event WHERE run = %s AND key = %s AND event = 'requested'"
        )
        try:
            with self._using, translated():
                row = (
                    self._connection.execute(query, (self._run, STOP)).fetchone()
                    if self._connection
                    else None
                )
        except SqlFailed:
            return None
        return row[0] if row else None


def _refuse_standby(connection: Connection) -> None:
    """Raise Refused on a standby, which cannot store a journal."""
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        raise Refused("The database is a standby.", hint="Use the primary's DSN.")


def _refuse(connection: Connection, journal: Journal) -> NoReturn:
    holder = find_holder(connection, journal)
    raise Locked(
        f"The lock is held by {holder or 'a session that is about to end'}.",
        hint="Wait until that run ends, or see: cartctl history",
    )


def hand_over(
    postgres: Postgres,
    journal: Journal,
    pulse: Pulse,
    *,
    take_over: bool,
    timeout: float,
    say: Callable[[str], None],
) -> None:
    """Request that the running run stop, and wait up to `timeout` seconds for its lock; `take_over` ends its backend.

    Raises Locked if it does not stop.
    """
    with postgres.session("hand over") as connection:
        holder = find_holder(connection, journal)
        if holder is None:
            return
        say(f"Stopping {holder}.")
        journal.append(Event(holder.run, datetime.now(UTC), STOP, EventKind.REQUESTED, whoami()))
        if take_over:
            with effect("lock.take_over"):
                connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        end = time.monotonic() + timeout
        while find_holder(connection, journal) is not None:
            pulse.check()
            if time.monotonic() >= end:
                raise Locked(
                    f"{holder} did not stop within {timeout:g} s.",
                    hint="Use --take-over to terminate its database session.",
                )
            pulse.pause(0.2)
