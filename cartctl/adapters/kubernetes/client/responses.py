"""What the API server answered, and what it means in cartctl's own words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.errors import ConfigError, Refused, StepFailed

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, INVALID = 401, 403, 404, 409, 410, 422
PASSING = frozenset({429, 500, 502, 503, 504})  # answers that another attempt may mend


class ClusterRefused(StepFailed):
    """The API server understood and said no. `status` is HTTP's, `reason` Kubernetes' own word."""

    code = "cluster_refused"

    def __init__(self, status: int, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.reason = reason


class ClusterForbidden(Refused):
    """The role lacks a verb."""

    code = "cluster_forbidden"


class Unauthorized(ConfigError):
    """The credentials are not taken, also after they were read again."""

    code = "cluster_unauthorized"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body. Raises ClusterUnreachable when it is none of an API server's."""
        try:
            return json.loads(self.body)
        except ValueError as broken:
            raise ClusterUnreachable(
                f"What answered with HTTP {self.status} is no API server.", hint="Look at the proxy between."
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
            "The API server does not take the credentials.",
            hint="Log in again, or look at: kubectl auth whoami",
        )
    raise ClusterRefused(
        reply.status,
        str(status.get("reason", "")),
        f"The API server says {reply.status}: {message_of(reply)}",
    )


def is_forbidden(reply: Reply) -> bool:
    """Whether the user lacks a verb, in the API server's own words."""
    if reply.status != FORBIDDEN or not reply.body.startswith(b"{"):
        return False
    status = reply.json()
    return status.get("reason") == "Forbidden" and not _is_quota(status)


def is_status(reply: Reply) -> bool:
    """Whether the API server itself answered, not what it stands before."""
    if reply.status < 400 or not reply.body.startswith(b"{"):  # noqa: PLR2004 - HTTP's errors
        return False
    try:
        document = json.loads(reply.body)
    except ValueError:
        return False
    return (document.get("kind"), document.get("apiVersion")) == ("Status", "v1")


def message_of(reply: Reply) -> str:
    """Its reason, cut."""
    text = reply.body.decode(errors="replace")
    if text.startswith("{"):
        text = str(reply.json().get("message", text))
    return text.strip()[:500] or "nothing"


def _is_quota(status: Mapping[str, Any]) -> bool:
    """Admission answers 403 too, but says so of the object, not of the user."""
    return "cannot " not in str(status.get("message", ""))


def forbidden(status: Mapping[str, Any]) -> ClusterForbidden:
    """The error for a verb that the role lacks."""
    return ClusterForbidden(
        f"The cluster forbids it: {status.get('message', 'no reason given')}",
        hint="The Role in runbooks/kubernetes lists every verb that is needed.",
    )


def retry_after(reply: Reply) -> float:
    """Seconds the server asks to be left alone; 0.0 when it does not say."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
