"""Limits how long a commit waits for a missing synchronous standby, since no server timeout ends that wait.

Cancelling the wait leaves the commit in place on the primary. So the commit is never repeated: it is done, and the caller reports
that no standby has confirmed it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cartctl.adapters.postgres import Connection, SqlFailed, translated
from cartctl.errors import CartctlError

OpenSession: TypeAlias = Callable[[], AbstractContextManager[Connection]]
"""Another connection to the same server, for a moment."""

LIMIT = 10.0  # seconds; a standby that is only slow confirms long before
SOURCE = "SyncRepWaitForLSN"  # the server's function that warns; its text is translated, its name is not
UNCONFIRMED = "no synchronous standby confirmed the commit within {:g} s: it is in place only on the primary (see synchronous_standby_names and pg_stat_replication)"
UNKNOWN = "it is unknown whether a synchronous standby confirmed the commit: {}"
_AS_CONFIGURED = """
SELECT set_config('synchronous_commit', CASE reset_val WHEN 'off' THEN 'on' ELSE reset_val END, true)
FROM pg_settings WHERE name = 'synchronous_commit'
"""
_WAITS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"


@dataclass
class SyncWait:
    """What became of the commits of a block: `unconfirmed` when the wait for a standby was given up."""

    limit: float
    unconfirmed: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def warnings(self) -> tuple[str, ...]:
        """For the report: empty, or a warning about the commit."""
        return (UNCONFIRMED.format(self.limit),) if self.unconfirmed else ()

    def hear(self, notice: Any) -> None:
        """The server reports a cancelled wait, regardless of who cancelled it."""
        self.unconfirmed = self.unconfirmed or notice.source_function == SOURCE


@contextmanager
def bounded_sync_wait(
    open_session: OpenSession, connection: Connection, limit: float = LIMIT
) -> Iterator[SyncWait]:
    """Around commits on `connection`: their wait for a synchronous standby is cancelled after about `limit` seconds (default LIMIT).

    Once it was, later commits of this session do not wait for a standby any more. `open_session` is used from another thread;
    nothing but such a wait is ever cancelled.
    """
    wait = SyncWait(LIMIT if limit is None else limit)
    connection.add_notice_handler(wait.hear)
    pid = connection.info.backend_pid
    watch = threading.Thread(
        target=_watch, args=(open_session, connection, pid, wait), name="sync wait", daemon=True
    )
    watch.start()
    try:
        yield wait
    finally:
        wait._ended.set()  # noqa: SLF001 - our own
        watch.join()
        connection.remove_notice_handler(wait.hear)
        if wait.unconfirmed and not connection.closed:
            _stop_waiting(connection)


def confirm_commits(open_session: OpenSession, connection: Connection) -> tuple[str, ...]:
    """Wait once for a standby to confirm what a session with `synchronous_commit = local` has committed; warnings.

    A commit behind all of them waits in their place, as the server's or the role's setting says, and no longer than LIMIT.
    They are in place whatever happens to this one, so that an error here is a warning, too.
    """
    try:
        with translated(), bounded_sync_wait(open_session, connection) as wait, connection.transaction():
            connection.execute(_AS_CONFIGURED)
            connection.execute("SELECT pg_logical_emit_message(true, 'cartctl', '')")
    except SqlFailed as failed:
        return (UNKNOWN.format(failed.message),)
    return wait.warnings


def _watch(open_session: OpenSession, connection: Connection, pid: int, wait: SyncWait) -> None:
    """Cancel only a commit that was waiting at two checks, half the limit apart: it may have completed in between."""
    waited = False
    while not wait._ended.wait(wait.limit / 2):  # noqa: SLF001
        with suppress(CartctlError), translated(), open_session() as aside:
            waits = aside.execute(_WAITS, (pid,)).fetchone() is not None
            if waits and waited:
                wait.unconfirmed = True
                connection.cancel_safe()
            waited = waits


def _stop_waiting(connection: Connection) -> None:
    """The standby is gone: the next commits of this session would only wait again. A failure of this changes nothing."""
    if connection.info.transaction_status.name != "IDLE":
        return
    with suppress(SqlFailed), translated():
        connection.execute("SELECT set_config('synchronous_commit', 'local', false)")
        if not connection.autocommit:
            connection.commit()
