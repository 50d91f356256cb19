"""Responses of the API server, translated to cartctl's errors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.errors import ConfigError, Refused, StepFailed

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, EXPIRED, INVALID = 401, 403, 404, 409, 410, 422
TRANSIENT = frozenset({429, 500, 502, 503, 504})  # transient errors that are retried


class ClusterRefused(StepFailed):
    """The API server refused a request. `status` is the HTTP status, `reason` Kubernetes' own reason."""

    code = "cluster_refused"

    def __init__(self, status: int, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason


class ClusterForbidden(Refused):
    """The role lacks a verb."""

    code = "cluster_forbidden"


class Unauthorized(ConfigError):
    """The credentials were rejected, even after they were read again."""

    code = "cluster_unauthorized"


@dataclass(frozen=True, slots=True)
class Reply:
    """One raw response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ClusterUnreachable if it is not a response of an API server."""
        try:
            return json.loads(self.body)
        except ValueError as broken:
            raise ClusterUnreachable(
                f"The response (HTTP {self.status}) is not from an API server.",
                hint="Check the proxy in front of it.",
            ) from broken


def checked(reply: Reply) -> Reply:
    """A success. Raises ClusterForbidden, Unauthorized, ClusterRefused."""
    if reply.status < 300:  # noqa: PLR2004 - HTTP's successes
        return reply
    status = reply.json() if reply.body.startswith(b"{") else {}
    if is_forbidden(reply):
        raise forbidden(status)
    if reply.status == UNAUTHORIZED:
        raise Unauthorized(
            "The API server rejected the credentials.",
            hint="Log in again, or check: kubectl auth whoami",
        )
    raise ClusterRefused(
        reply.status,
        str(status.get("reason", "")),
        f"The API server responded with HTTP {reply.status}: {message_of(reply)}",
    )


def is_forbidden(reply: Reply) -> bool:
    """Whether the API server denies the user a verb."""
    if reply.status != FORBIDDEN or not reply.body.startswith(b"{"):
        return False
    status = reply.json()
    return status.get("reason") == "Forbidden" and not _is_quota(status)


def is_status(reply: Reply) -> bool:
    """Whether the response is the API server's own, not one of a proxied service."""
    if reply.status < 400 or not reply.body.startswith(b"{"):  # noqa: PLR2004 - HTTP's errors
        return False
    try:
        document = json.loads(reply.body)
    except ValueError:
        return False
    return (document.get("kind"), document.get("apiVersion")) == ("Status", "v1")


def message_of(reply: Reply) -> str:
    """The response's message, shortened."""
    text = reply.body.decode(errors="replace")
    if text.startswith("{"):
        text = str(reply.json().get("message", text))
    return text.strip()[:500] or "nothing"


def _is_quota(status: Mapping[str, Any]) -> bool:
    """Whether a 403 comes from admission (a quota) and not from missing permissions."""
    return "cannot " not in str(status.get("message", ""))


def forbidden(status: Mapping[str, Any]) -> ClusterForbidden:
    """The error for a verb that the role lacks."""
    return ClusterForbidden(
        f"The cluster denied the request: {status.get('message', 'no reason given')}",
        hint="The Role in runbooks/kubernetes lists every required verb.",
    )


def retry_after(reply: Reply) -> float:
    """Seconds of Retry-After; 0.0 without it."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
