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
START = "Start it with: cartctl sandbox up, and its --name where it has one"


@contextmanager
def reading() -> Iterator[None]:
    """Translate a response of another form. Raises ClusterUnreachable."""
    try:
        yield
    except MALFORMED as wrong:
        raise ClusterUnreachable(
            "The sandbox's supervisor sent a response of another form.", hint="Restart it: cartctl sandbox up"
        ) from wrong


def checked(answer: Response) -> Any:
    """The JSON of a success. Raises UnknownDeployment, or ClusterUnreachable with what the supervisor says."""
    if answer.ok:
        return answer.json()
    told = answer.json()
    if not isinstance(told, dict) or not isinstance(told.get("message"), str):
        raise ClusterUnreachable(f"The sandbox's supervisor refused: {answer.excerpt}", hint=START)
    if answer.status == NOT_FOUND or told.get("code") == UNKNOWN:
        raise UnknownDeployment(told["message"], hint=str(told.get("hint") or ""))
    raise ClusterUnreachable(
        f"The sandbox's supervisor refused: {told['message']}", hint=str(told.get("hint") or START)
    )


def deployment_of(told: Mapping[str, Any]) -> Deployment:
    """A deployment as the control API describes it."""
    return Deployment(
        name=told["name"],
        replicas=told["replicas"],
        images={container: Image(ref) for container, ref in told["images"].items()},
        revision=told["revision"],
        paused=told["paused"],
        observed=told["observed"],
        total=told["total"],
        updated=told["updated"],
        available=told["available"],
        failure=told["failure"],
        obstacles=(Obstacle(told["name"], "is paused", RESUME),) if told["paused"] else (),
    )


def pod_of(told: Mapping[str, Any]) -> Pod:
    """A pod as the control API describes it."""
    return Pod(
        name=told["name"],
        deployment=told["deployment"],
        ready=told["ready"],
        images={
            container: Image(image["ref"], image["digest"]) for container, image in told["images"].items()
        },
        ending=told["ending"],
        restarts=told["restarts"],
        reason=told["reason"],
    )
