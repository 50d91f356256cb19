"""The guard of every step that changes a deployment's pod template: what would keep the change from being rolled out."""

from collections.abc import Iterable, Mapping

from cartctl.adapters.cluster import Cluster, Deployment, Obstacle, UnknownDeployment
from cartctl.errors import Refused


class Blocked(Refused):
    """A deployment would not roll out a change now: paused, owned, deleted, or a permission is missing."""

    code = "deployment_blocked"


def refuse_blocked(cluster: Cluster, deployments: Iterable[str]) -> None:
    """Raise Blocked naming every obstacle of these deployments. Read-only."""
    refuse_obstacles(cluster.obstacles(sorted(set(deployments))))


def refuse_obstacles(candidates: Iterable[Obstacle]) -> None:
    """Raise Blocked when there are any; the hints are those of the obstacles, each once."""
    obstacles = list(candidates)
    if obstacles:
        message = "; ".join(dict.fromkeys(str(one) for one in obstacles))
        hints = dict.fromkeys(one.hint for one in obstacles if one.hint)
        raise Blocked(f"{message}.", hint="; ".join(hints))


def require_deployment(known: Mapping[str, Deployment], name: str) -> Deployment:
    """A deployment that takes a change. Raises UnknownDeployment, and Blocked for one that is paused or owned."""
    if name not in known:
        raise UnknownDeployment(
            f"There is no deployment {name}.", hint=f"There are: {', '.join(sorted(known)) or 'none'}."
        )
    refuse_obstacles(known[name].obstacles)
    return known[name]
