"""The reference application of 2.0.0 over a test's own database, on loopback, in a thread."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.service.application import build
from cartctl.sandbox.service.settings import Settings
from tests.sandbox_fixture import wait_for

FLAGS = ("FEATURE_CART_MANAGEMENT", "FEATURE_ABANDONED_CART_RECOVERY", "FEATURE_ECOMMERCE_ANALYTICS")


def write_flags(directory: Path, **on: bool) -> None:
    """The three features, on unless told otherwise."""
    flags = {
        flag: {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "on" if on.get(flag, True) else "off",
        }
        for flag in FLAGS
    }
    path = directory / "config" / "cart-flags" / "flags.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"flags": flags}), encoding="utf-8")


def write_tokens(directory: Path, *companies: str) -> None:
    """An admin per company, whose token is `token-COMPANY`; a member and a customer, Ada, of the first one."""
    known = {
        hashlib.sha256(f"token-{company}".encode()).hexdigest(): {
            "user": company,
            "email": f"admin@{company}.example",
            "company": company,
            "company_name": company,
            "admin": True,
        }
        for company in companies
    }
    member = {**next(iter(known.values())), "admin": False}
    ada = {**member, "email": "ada@avnz.example"}
    known[hashlib.sha256(b"token-member").hexdigest()] = member
    known[hashlib.sha256(b"token-ada").hexdigest()] = ada
    (directory / "tokens.json").write_text(json.dumps(known), encoding="utf-8")


@contextmanager
def served(directory: Path, database: Postgres, role: str = "api") -> Iterator[str]:
    """The address of the application, while the block lasts."""
    (directory / "app.dsn").write_text(database.dsn, encoding="utf-8")
    settings = Settings(role, "2.0.0", "pod", directory)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(build(settings), log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            wait_for(lambda: server.started)
            wait_for(lambda: Http(url).get("/health").json()["database"] == "up")
            yield url
        finally:
            server.should_exit = True
            thread.join()
