"""A time limit for a whole operation: name resolution, connecting, TLS, waiting, reading and redirects together.

A client's own timeouts apply per read: a response that arrives byte by byte never reaches them, and name resolution has none.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import TIMEOUT_MAX, Lock, Thread
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """The operation did not finish in time; its connection is closed."""


class Lifeline:
    """The connection of an operation, which another thread can close. Thread-safe."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket | None) -> None:
        """Set the operation's current connection."""
        with self._guard:
            self._socket = connection
            if self._is_cut:
                self._shut()

    def cut(self) -> None:
        """Close the current connection and any later one; reads and writes on it fail at once."""
        with self._guard:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def within(seconds: float, operation: Callable[[Lifeline], T]) -> T:
    """Run `operation` in its own thread; return its result or raise its exception.

    Raises DeadlineExceeded after `seconds`; the connection is then closed, also if the wait is interrupted.
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
        if result.done():  # raised by the operation itself
            return result.result()
        raise DeadlineExceeded from overdue
    finally:
        if not result.done():
            lifeline.cut()
