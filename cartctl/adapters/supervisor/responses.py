"""What the sandbox's control API responds with, read into the Cluster's own types."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable, Deployment, Image, Obstacle, Pod, UnknownDeployment
from cartctl.adapters.http.client import Response
from cartctl.inputs import MALFORMED

NOT_FOUND = 404
UNKNOWN = "unknown"  # the control API's code for a container or image that does not exist
RESUME = "set paused to false through the sandbox's control API"
START = "Start it with: cartctl sandbox up, with --name if it has one"


@contextmanager
def reading() -> Iterator[None]:
    """Report a malformed response. Raises ClusterUnreachable."""
    try:
        yield
    except MALFORMED as wrong:
        raise ClusterUnreachable(
            "The sandbox's supervisor sent a malformed response.", hint="Restart it: cartctl sandbox up"
        ) from wrong


def checked(response: Response) -> Any:
    """The JSON of a success. Raises UnknownDeployment, or ClusterUnreachable with what the supervisor says."""
    if response.ok:
        return response.json()
    document = response.json()
    if not isinstance(document, dict) or not isinstance(document.get("message"), str):
        raise ClusterUnreachable(f"The sandbox's supervisor refused: {response.excerpt}", hint=START)
    if response.status == NOT_FOUND or document.get("code") == UNKNOWN:
        raise UnknownDeployment(document["message"], hint=str(document.get("hint") or ""))
    raise ClusterUnreachable(
        f"The sandbox's supervisor refused: {document['message']}", hint=str(document.get("hint") or START)
    )


def deployment_of(entry: Mapping[str, Any]) -> Deployment:
    """A deployment as the control API describes it."""
    return Deployment(
        name=entry["name"],
        replicas=entry["replicas"],
        images={container: Image(ref) for container, ref in entry["images"].items()},
        revision=entry["revision"],
        paused=entry["paused"],
        observed=entry["observed"],
        total=entry["total"],
        updated=entry["updated"],
        available=entry["available"],
        failure=entry["failure"],
        obstacles=(Obstacle(entry["name"], "is paused", RESUME),) if entry["paused"] else (),
    )


def pod_of(entry: Mapping[str, Any]) -> Pod:
    """A pod as the control API describes it."""
    return Pod(
        name=entry["name"],
        deployment=entry["deployment"],
        ready=entry["ready"],
        images={
            container: Image(image["ref"], image["digest"]) for container, image in entry["images"].items()
        },
        ending=entry["ending"],
        restarts=entry["restarts"],
        reason=entry["reason"],
    )
