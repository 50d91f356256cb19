"""The visitor's session: a signed cookie with the sign-in, the shops' carts and the CSRF token.

The cookie is Starlette's: signed by itsdangerous with the sandbox's key, HttpOnly and SameSite=Lax. A request with a token in a
header, such as a probe's, gets none.
"""

import os
import secrets
from hmac import compare_digest
from pathlib import Path
from typing import Any

from fastapi import Request

from cartctl.private_files import write_private

COOKIE = "shop_session"
HOURS = 12
_CSRF, _MESSAGE = "csrf", "message"


def signing_key(path: Path) -> str:
    """The key that signs cookies and links, created once and shared by every replica of a sandbox."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        write_private(fresh, secrets.token_urlsafe(32))
        try:
            os.link(fresh, path)  # of replicas that start together, one wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="utf-8").strip()


def state(request: Request) -> dict[str, Any]:
    """The visitor's session; empty where the version has none."""
    session: dict[str, Any] = request.scope.get("session", {})
    return session


def csrf_token(request: Request) -> str:
    """The token in this visitor's forms, so that no other site can submit them; empty for a request with a token in a header."""
    if request.headers.get("authorization"):
        return ""
    token: str = state(request).setdefault(_CSRF, secrets.token_urlsafe(16))
    return token


def is_own_form(request: Request, token: str) -> bool:
    """Whether a form has this visitor's CSRF token."""
    known = str(state(request).get(_CSRF, ""))
    return bool(known) and compare_digest(known.encode(), token.encode("utf-8", "replace"))


def restart(request: Request, **values: Any) -> None:
    """A new session at sign-in and sign-out, with a new CSRF token: an earlier one becomes invalid."""
    session = state(request)
    session.clear()
    session.update(values)


def renew(request: Request) -> None:
    """A new CSRF token at a shopper's sign-in and sign-out."""
    state(request).pop(_CSRF, None)


def say(request: Request, message: str) -> None:
    """Store a message for the next page."""
    state(request)[_MESSAGE] = message


def take_message(request: Request) -> str:
    """Return and clear the message, or an empty text."""
    return str(state(request).pop(_MESSAGE, ""))
