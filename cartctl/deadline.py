"""One limit by the clock for a whole operation: name resolution, connecting, TLS, waiting, reading and redirects together.

A client's own timeouts are per read: an answer that arrives byte by byte never reaches them, and looking up a name has none.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import TIMEOUT_MAX, Lock, Thread
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """The operation was not finished in time; its connection is cut."""


class Lifeline:
    """The connection of an operation, to be cut from another thread. Thread-safe."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket | None) -> None:
        """Take the operation's present connection in place of the one before."""
        with self._guard:
            self._socket = connection
            if self._is_cut:
                self._shut()

    def cut(self) -> None:
        """End the connection, and those that are still to come: whoever reads or writes there fails at once."""
        with self._guard:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def within(seconds: float, operation: Callable[[Lifeline], T]) -> T:
    """What `operation` returns or raises, run in a thread of its own.

    Raises DeadlineExceeded after `seconds`; the operation's connection is then cut, as it is when the wait is interrupted.
    """
    result: Future[T] = Future()
    lifeline = Lifeline()

    def run() -> None:
        try:
            result.set_result(operation(lifeline))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            result.set_exception(error)

    Thread(target=run, name="cartctl request", daemon=True).start()
    try:
        return result.result(min(max(0.0, seconds), TIMEOUT_MAX))
    except TimeoutError as overdue:
        if result.done():  # the operation's own
            return result.result()
        raise DeadlineExceeded from overdue
    finally:
        if not result.done():
            lifeline.cut()
