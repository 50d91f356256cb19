"""The guard of every step that changes a deployment's pod template: obstacles to releasing the change."""

from collections.abc import Iterable, Mapping

from cartctl.adapters.cluster import Cluster, Deployment, Obstacle, UnknownDeployment
from cartctl.errors import Refused


class Blocked(Refused):
    """A deployment would not release a change now: paused, owned, being deleted, or a permission is missing."""

    code = "deployment_blocked"


def refuse_blocked(cluster: Cluster, deployments: Iterable[str]) -> None:
    """Raise Blocked with every obstacle of these deployments. Read-only."""
    refuse_obstacles(cluster.obstacles(sorted(set(deployments))))


def refuse_obstacles(candidates: Iterable[Obstacle]) -> None:
    """Raise Blocked if there are any, with their hints."""
    obstacles = list(candidates)
    if obstacles:
        message = "; ".join(dict.fromkeys(str(one) for one in obstacles))
        hints = dict.fromkeys(one.hint for one in obstacles if one.hint)
        raise Blocked(f"{message}.", hint="; ".join(hints))


def require_deployment(known: Mapping[str, Deployment], name: str) -> Deployment:
    """A deployment that accepts changes. Raises UnknownDeployment, and Blocked if it is paused or owned."""
    if name not in known:
        raise UnknownDeployment(
            f"Deployment {name} not found.", hint=f"Available: {', '.join(sorted(known)) or 'none'}."
        )
    refuse_obstacles(known[name].obstacles)
    return known[name]
