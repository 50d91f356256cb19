"""One run at a time: an advisory lock of the target database, with an owner that can be named.

The lock lives and dies with a connection of its own, so a dead owner frees it within seconds and a living one keeps it.
The same connection's thread hears the stop requests of other processes.
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
from cartctl.engine.journal.stores import Journal
from cartctl.engine.model import Event
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import STOP
from cartctl.errors import Interrupted, Locked, LockLost, Refused, as_error

_SINCE = """
SELECT run FROM cartctl_journal.event
WHERE id > (SELECT max(id) FROM cartctl_journal.event WHERE run = %(run)s AND key = 'lock' AND event = 'acquired')
  AND ((key = 'lock' AND (run <> %(run)s OR event = 'forced')) OR (run = %(run)s AND key = %(stop)s)
       OR (run = %(run)s AND event = 'finished'))
LIMIT 1"""  # who else held the lock since we took it, or wants it
KEY = (0x63617274, 0x63746C)  # "cart", "ctl"
HEARTBEAT = 1.0  # seconds


class StopRequested(Interrupted):
    """Another process asked this run to stop and hand over."""

    code = "stop_requested"


class Lock(Protocol):
    """What the runner asks before each step."""

    def confirm(self) -> None:
        """Raise LockLost unless the lock is still held."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock. Times from the server's own view of the backend."""

    run: str
    backend: int
    since: datetime
    heartbeat: datetime
    user: str
    host: str
    pid: int | None

    def __str__(self) -> str:
        silent = (datetime.now(UTC) - self.heartbeat).total_seconds()
        return (
            f"run {self.run} of {self.user}@{self.host} (pid {self.pid or 'unknown'}), "
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC, last heartbeat {max(0.0, silent):.0f} s ago"
        )


def whoami() -> dict[str, str | int]:
    """The owner's part of a lock event."""
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid()}


def holder_of(run: str) -> str:
    """Name this process as the holder of the cluster's lease: two that go on with the same run are not one."""
    return "run {} of {user}@{host} (pid {pid})".format(run, **whoami())


def find_holder(connection: Connection, journal: Journal) -> Holder | None:
    """Who holds the lock of this database, if anybody does. Read-only."""
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
        if event.key == "lock" and event.data.get("backend") == backend
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
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    def __enter__(self) -> Self:
        self._connection = self._take(time.monotonic() + self._wait)
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
        """Ask `pg_locks`; a connection lost by a restart of the server is replaced when the lock is still free."""
        with self._using:
            if not self._held():
                self._retake()

    def _held(self) -> bool:
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

    def _retake(self) -> None:
        """Only when nobody was at work in between, and nobody asked us to stop: their work must not be gone over."""
        if self._connection is not None:
            self._connection.close()
        try:
            self._connection = self._take(time.monotonic() + 2 * HEARTBEAT)
            with translated():
                others = self._connection.execute(_SINCE, {"run": self._run, "stop": STOP}).fetchone()
        except (Locked, DatabaseUnreachable, SqlFailed) as error:
            raise LockLost(
                f"The lock of run {self._run} was lost: {error.message}", hint="Look with: cartctl history"
            ) from error
        if others:
            self._connection.close()
            raise LockLost(
                f"Run {self._run} lost its lock, and {others[0]} has been at work since.",
                hint="Look with: cartctl history",
            )
        self._record()

    def _take(self, end: float) -> Connection:
        connection = self._postgres.connect(
            f"run {self._run}", idle_session_timeout="0", idle_in_transaction_session_timeout="0"
        )
        try:
            with translated():
                _refuse_standby(connection)
                while not self._try(connection):
                    if time.monotonic() >= end:
                        _refuse(connection, self._journal)
                    self._pulse.pause(random.uniform(0.1, 0.3))  # noqa: S311 - jitter, not a secret
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _try(connection: Connection) -> bool:
        with effect("lock.take"):
            return connection.execute("SELECT pg_try_advisory_lock(%s, %s)", KEY).fetchone() == (True,)

    def _record(self) -> None:
        backend = self._connection.info.backend_pid if self._connection else None
        self._journal.append(
            Event(self._run, datetime.now(UTC), "lock", "acquired", {"backend": backend, **whoami()})
        )

    def _beat(self) -> None:
        """Heartbeat and listen; a thread that breaks ends the run, which could no longer be asked to stop."""
        try:
            self._listen()
        except Exception as bug:  # noqa: BLE001 - told to the main thread
            self._pulse.alarm(as_error(bug))

    def _listen(self) -> None:
        """Heartbeat on the lock's connection, and listen for stop requests on it."""
        heard = self._requests()
        while not self._ended.wait(HEARTBEAT):
            count = self._requests()
            if (
                heard is None or count is None
            ):  # a connection that was lost: confirm() decides, in the main thread
                heard = count if heard is None else heard
            elif count > heard:
                self._pulse.alarm(StopRequested(f"Run {self._run} was asked to stop by another process."))
                self._journal.append(Event(self._run, datetime.now(UTC), STOP, "acknowledged", whoami()))
                return

    def _requests(self) -> int | None:
        """How many stop requests this run has had: a count, since clocks of two machines differ."""
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
    """A standby takes no journal."""
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        raise Refused("The database is a standby.", hint="Give the DSN of the primary.")


def _refuse(connection: Connection, journal: Journal) -> NoReturn:
    holder = find_holder(connection, journal)
    raise Locked(
        f"The lock is held by {holder or 'somebody who is just leaving'}.",
        hint="Wait for it, or see: cartctl history",
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
    """Ask a living run to stop and wait, up to `timeout` seconds, until its lock is free; `take_over` ends its backend.

    Raises Locked when it does not stop.
    """
    with postgres.session("hand over") as connection:
        holder = find_holder(connection, journal)
        if holder is None:
            return
        say(f"Asking {holder} to stop.")
        journal.append(Event(holder.run, datetime.now(UTC), STOP, "requested", whoami()))
        if take_over:
            with effect("lock.take_over"):
                connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        end = time.monotonic() + timeout
        while find_holder(connection, journal) is not None:
            pulse.check()
            if time.monotonic() >= end:
                raise Locked(
                    f"{holder} did not stop within {timeout:g} s.", hint="Use --take-over to end its backend."
                )
            pulse.pause(0.2)
