"""Bearers by access token. Tokens are stored as hashes; the company is the token's, never the request's."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cartctl.sandbox.service.watched import Watched


@dataclass(frozen=True, slots=True)
class Bearer:
    """A user of one company."""

    user: str
    email: str
    company: str
    company_name: str
    admin: bool


class Tokens:
    """The known bearers, from a watched file."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._known: Watched[Mapping[str, Bearer]] = Watched(path, _parse, {}, complain)

    def bearer(self, authorization: str) -> Bearer | None:
        """The bearer of an `Authorization` header; None without one, for another scheme or an unknown token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        return self.of_digest(digest_of(token.strip()))

    def of_digest(self, digest: str) -> Bearer | None:
        """The bearer of the token with this digest; None for an unknown or revoked one."""
        return self._known.get().get(digest)


def digest_of(token: str) -> str:
    """The digest by which a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def _parse(text: str) -> Mapping[str, Bearer]:
    return {digest: Bearer(**fields) for digest, fields in json.loads(text).items()}
