"""`python -m cartctl.sandbox.service --role ROLE --version VERSION POD DIRECTORY`, sockets inherited."""

import argparse
import os
import socket
import sys
from pathlib import Path

from cartctl.sandbox.service.log import log
from cartctl.sandbox.service.settings import Settings


def main() -> int:
    """Serve until SIGTERM, then drain."""
    settings = _settings()
    if settings.variant == "crash":
        log("ERROR", "cart module failed to start", error="cannot read property 'cart' of undefined")
        return 1
    numbers = [int(number) for number in os.environ["SERVICE_SOCKETS"].split(",")]
    _serve(settings, [socket.socket(fileno=number) for number in numbers])
    return 0


def _settings() -> Settings:
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", required=True, choices=("api", "web", "worker"))
    parser.add_argument("--version", required=True)
    parser.add_argument("pod")
    parser.add_argument("directory", type=Path)
    return Settings(**vars(parser.parse_args()))


def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    import uvicorn

    from cartctl.sandbox.service.application import build
    from cartctl.sandbox.service.middleware.drain import KEEP_ALIVE, DrainingProtocol, DrainingServer

    config = uvicorn.Config(
        build(settings),
        http=DrainingProtocol,
        ws="none",
        loop="asyncio",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        lifespan="on",
    )
    shared = sockets[1].getsockname()[1] if len(sockets) > 1 else None
    DrainingServer(config, shared).run(sockets=sockets)


if __name__ == "__main__":
    sys.exit(main())
