"""Waiting until what was asked of a cluster is in effect, shared by the steps that ask."""

from collections.abc import Iterable, Mapping

from cartctl.adapters.cluster import Cluster, UnknownDeployment
from cartctl.adapters.http import mask
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed

LOG_LINES = 10


class RolloutFailed(StepFailed):
    """A deployment will not get there: its own reason, with the container's last log lines."""

    code = "rollout_failed"


def await_rollout(
    cluster: Cluster,
    names: Iterable[str],
    pulse: Pulse,
    timeout: float,
    *,
    at_least: Mapping[str, int] | None = None,
) -> None:
    """Return when every deployment is complete, as `kubectl rollout status` decides it; `timeout` in seconds.

    `at_least` are sizes that somebody else has to ask for first: an autoscaler whose minimum was raised. Raises RolloutFailed as soon as one cannot get there, TimedOut, or the pulse's alarm.
    """
    awaited = sorted(set(names))

    def complete() -> bool:
        known = cluster.deployments()
        now = [known[name] for name in awaited if name in known]
        if len(now) < len(awaited):
            raise UnknownDeployment(
                f"Deployment {next(name for name in awaited if name not in known)} has been deleted."
            )
        for deployment in now:
            if deployment.failure:
                raise _failed(cluster, deployment.name, deployment.failure)
        ready = sum(min(deployment.available, deployment.replicas) for deployment in now)
        pulse.progress(ready, sum(deployment.replicas for deployment in now), "replicas")
        grown = all(known[name].replicas >= size for name, size in (at_least or {}).items())
        return grown and all(deployment.complete for deployment in now)

    pulse.wait(complete, timeout, what=f"The rollout of {', '.join(awaited)}")


def await_drained(cluster: Cluster, names: Iterable[str], pulse: Pulse, timeout: float) -> None:
    """Return when no pod of these is left; `timeout` in seconds. Raises TimedOut or the pulse's alarm."""
    awaited = sorted(set(names))

    def gone() -> bool:
        left = sum(cluster.running(name) for name in awaited)
        pulse.progress(0 if left else 1, 1, "drained")
        return left == 0

    pulse.wait(gone, timeout, what=f"Draining {', '.join(awaited)}")


def _failed(cluster: Cluster, name: str, reason: str) -> RolloutFailed:
    lines = cluster.logs(name, lines=LOG_LINES, failing=True)
    told = "".join(f"\n  {mask(line)}" for line in lines)
    return RolloutFailed(
        f"Deployment {name} will not become ready: {reason}.{told}",
        hint="Look at the image and its configuration.",
    )
