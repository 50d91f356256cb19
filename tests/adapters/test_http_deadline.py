"""The whole-operation deadline of HTTP requests, against servers that only ever end when the client gives up."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.deadline import DeadlineExceeded, Lifeline, within

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def talking(talk: Talk) -> Iterator[tuple[str, threading.Event]]:
    """A server that serves connections with `talk`; the event is set once a client has hung up."""
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    threading.Thread(target=serve_one, args=(peer,), daemon=True).start()

        def serve_one(peer: socket.socket) -> None:
            with peer, suppress(OSError):
                talk(peer, left)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", left
        server.shutdown(socket.SHUT_RDWR)


def drip(beginning: bytes, drop: bytes) -> Talk:
    """Send `beginning` and then `drop` again and again, until the client hangs up."""

    def talk(peer: socket.socket, left: threading.Event) -> None:
        peer.recv(4096)
        peer.sendall(beginning)
        try:
            while not left.wait(0.05):
                peer.sendall(drop)
        except OSError:
            left.set()

    return talk


@pytest.mark.parametrize(
    ("beginning", "drop"),
    (
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"HTTP/1.1 ", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ),
    ids=("header", "status line", "informational", "body", "chunks"),
)
def test_a_response_that_arrives_byte_by_byte_ends_at_the_deadline(beginning: bytes, drop: bytes) -> None:
    """Every read is short, the request as a whole is too long: it ends, and the connection with it."""
    with talking(drip(beginning, drop)) as (address, left):
        with pytest.raises(HttpUnreachable, match=r"took (longer than 0\.4 s|too long)"):
            Http(f"http://{address}", timeout=0.4).get("/")
        if drop:
            assert left.wait(60), "the connection is still open"


def test_a_tls_handshake_without_end_ends_at_the_deadline() -> None:
    """A server that never answers the handshake, nor hangs up."""

    def talk(peer: socket.socket, left: threading.Event) -> None:
        peer.recv(4096)
        left.wait(120)

    with talking(talk) as (address, left):
        with pytest.raises(HttpUnreachable, match=r"too long|longer than"):
            Http(f"https://{address}", timeout=0.4).get("/")
        left.set()


def test_redirects_share_one_deadline() -> None:
    """Five redirects, each well within the limit, do not add up to five limits."""
    count = 0

    def talk(peer: socket.socket, left: threading.Event) -> None:
        nonlocal count
        count += 1
        peer.recv(4096)
        left.wait(0.4)
        peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /more\r\nContent-Length: 0\r\n\r\n")

    with talking(talk) as (address, _), pytest.raises(HttpUnreachable, match="longer than 2 s"):
        Http(f"http://{address}", timeout=2).get("/")
    assert 2 <= count <= 6


def test_an_operation_returns_raises_or_exceeds_its_deadline() -> None:
    """What it returns, what it raises (its own TimeoutError too), and our own error when it is late."""
    assert within(60, lambda _: 7) == 7
    with pytest.raises(TimeoutError, match="its own"):
        within(60, lambda _: (_ for _ in ()).throw(TimeoutError("its own")))
    gate = threading.Event()
    with pytest.raises(DeadlineExceeded):
        within(0.01, lambda _: gate.wait(60))
    gate.set()


def test_a_connection_made_after_the_cut_is_cut_too() -> None:
    """A client that connects when nobody waits any more gets nowhere."""
    line = Lifeline()
    line.cut()
    one, other = socket.socketpair()
    with one, other:
        line.hold(one)
        assert other.recv(1) == b""
