"""Keyset pagination: the address of the next page names the last cart of this one, so that pages neither skip nor repeat."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from cartctl.cart.store.repositories import PageKey

CURSOR_CHARACTERS = 1200  # characters of a cursor: an id of 200 characters, whatever they are, and a time


def read_cursor(text: str | None) -> PageKey | None:
    """The key of a cursor. Raises RequestValidationError for an invalid one."""
    if text is None:
        return None
    try:
        return _key(base64.b64decode(text.encode("ascii"), b"-_", validate=True).decode())
    except ValueError as wrong:
        where = {"type": "value_error", "loc": ("query", "after"), "msg": "Invalid cursor.", "input": text}
        raise RequestValidationError([where]) from wrong


def _key(text: str) -> PageKey:
    moment, _, cart = text.partition(" ")
    page_key = PageKey(datetime.fromisoformat(moment), cart)
    if not cart or "\0" in cart or page_key.last_activity_at.tzinfo is not None:
        raise ValueError("no key")
    return page_key


def encoded(*parts: str) -> str:
    """Some texts encoded as one for an address."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def decoded(text: str) -> list[str]:
    """The texts of `encoded`; empty for anything else."""
    try:
        parts = json.loads(base64.b64decode(text.encode("ascii"), b"-_", validate=True))
    except ValueError:
        return []
    return list(parts) if isinstance(parts, list) and all(isinstance(part, str) for part in parts) else []


def say_next(request: Request, response: Response, rows: Sequence[Mapping[str, Any]], size: int) -> None:
    """Set the Link header to the next page's address, unless this is the last page."""
    if len(rows) < size:
        return
    last = rows[-1]
    key = f"{last['lastActivityAt'].isoformat()} {last['id']}".encode()
    query = {**request.query_params, "after": base64.urlsafe_b64encode(key).decode()}
    response.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
