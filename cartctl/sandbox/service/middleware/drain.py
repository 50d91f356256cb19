"""Graceful shutdown: a replica ends without losing a request.

It stops accepting at once: the other replicas accept what waits in the shared socket's queue. Requests in progress are answered,
and so are those that still arrive on open connections, with `Connection: close`. An idle connection is closed only after the
clients' own keep-alive limit: closed earlier, it could lose a request that was just sent.
"""

import asyncio
import socket
import time

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CLOSE = (b"connection", b"close")
CLIENTS_KEEP = (
    6.0  # seconds; no client reuses a connection that was idle for longer (common clients stop after 5)
)
KEEP_ALIVE = 30  # seconds for which a running replica keeps an idle connection: longer than its clients do
DRAIN_SECONDS = 15.0  # seconds until it closes what is still open


class DrainingProtocol(H11Protocol):
    """Records its last use, and by which port: a client of the service, or a probe on the replica's own port."""

    used = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        super().connection_made(transport)
        self.used = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """A client sent something."""
        self.used = time.monotonic()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """A response was sent."""
        self.used = time.monotonic()
        super().on_response_complete()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def port(self) -> int | None:
        """The local port of the connection."""
        return self.server[1] if self.server else None


class DrainingServer(uvicorn.Server):
    """uvicorn's server with the end described above; `shared` is the port whose clients are waited for."""

    def __init__(self, config: uvicorn.Config, shared: int | None) -> None:
        super().__init__(config)
        self._shared = shared

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, answer open requests, then end as uvicorn does."""
        for server in reversed(
            self.servers
        ):  # its own socket last: the supervisor's probe there shows that the shared one is closed
            server.close()
        self.server_state.default_headers.append(
            CLOSE
        )  # in place: requests in progress refer to this list object
        deadline = time.monotonic() + DRAIN_SECONDS
        await asyncio.sleep(0.05)  # connections accepted just now are registered
        while self._waited_for() and time.monotonic() < deadline:  # noqa: ASYNC110 - idleness announces itself to nobody
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    def _waited_for(self) -> bool:
        now = time.monotonic()
        waited_for = False
        for connection in list(self.server_state.connections):
            assert isinstance(connection, DrainingProtocol)  # noqa: S101 - the only protocol configured
            keep = CLIENTS_KEEP if connection.port == self._shared else 0.0
            if connection.idle and now - connection.used >= keep:
                connection.shutdown()
            else:
                waited_for = True
        return waited_for
