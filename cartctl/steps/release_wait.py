"""Waiting until what was requested of a cluster is in effect, shared by the steps that change it."""

from collections.abc import Iterable, Mapping

from cartctl.adapters.cluster import Cluster, Deployment, UnknownDeployment
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import CartctlError, StepFailed
from cartctl.redaction import mask

LOG_LINES = 10


class RolloutFailed(StepFailed):
    """A deployment will not become ready: its reason, with the container's last log lines."""

    code = "rollout_failed"


def await_release(
    cluster: Cluster,
    names: Iterable[str],
    pulse: Pulse,
    timeout: float,
    *,
    at_least: Mapping[str, int] | None = None,
) -> None:
    """Return when every deployment is complete, as `kubectl rollout status` decides it; `timeout` in seconds.

    `at_least` are sizes that an autoscaler must request first, because its minimum was raised. Raises RolloutFailed as soon
    as a deployment cannot become ready or is paused, TimedOut with the pods that are not ready, or the pulse's alarm.
    """
    awaited = sorted(set(names))

    def complete() -> bool:
        now = _current(cluster, awaited)
        for deployment in now:
            _refuse_stuck(cluster, deployment)
        ready = sum(min(deployment.available, deployment.replicas) for deployment in now)
        pulse.progress(ready, sum(deployment.replicas for deployment in now), "replicas")
        grown = all(one.replicas >= (at_least or {}).get(one.name, 0) for one in now)
        return grown and all(deployment.complete for deployment in now)

    try:
        pulse.wait(complete, timeout, what=f"The release of {', '.join(awaited)}")
    except TimedOut as late:
        raise TimedOut(f"{late.message}{_unfinished(cluster, awaited)}", hint=late.hint) from late


def _current(cluster: Cluster, names: Iterable[str]) -> list[Deployment]:
    known = cluster.deployments()
    if missing := [name for name in names if name not in known]:
        raise UnknownDeployment(f"Deployment {missing[0]} has been deleted.")
    return [known[name] for name in names]


def _refuse_stuck(cluster: Cluster, deployment: Deployment) -> None:
    """Raise RolloutFailed for a deployment that cannot become ready."""
    if deployment.failure:
        raise RolloutFailed(
            f"Deployment {deployment.name} will not become ready: {deployment.failure}."
            f"{_log_lines(cluster, deployment.name)}",
            hint="Check the image and its configuration.",
        )
    if deployment.paused and deployment.total > deployment.updated:  # scaling a paused deployment is allowed
        paused = [one.hint for one in deployment.obstacles if one.problem == "is paused"]
        raise RolloutFailed(
            f"Deployment {deployment.name} was paused during its release: {deployment.updated} of {deployment.replicas} replicas have the new revision.",
            hint="".join(paused[:1]),
        )


def _unfinished(cluster: Cluster, names: Iterable[str]) -> str:
    """The progress of each incomplete deployment, its pods that are not ready, and their last log lines."""
    message = ""
    try:
        for one in _current(cluster, names):
            if not one.complete:
                message += f": {one.name} has {one.available} of {one.replicas} replicas of the new revision available"
                message += "".join(f"\n  {mask(line)}" for line in cluster.unready(one.name))
                message += _log_lines(cluster, one.name)
    except CartctlError:
        return message  # report the timeout even if the details could not be read
    return message


def _log_lines(cluster: Cluster, name: str) -> str:
    lines = cluster.logs(name, lines=LOG_LINES, failing=True)
    return "".join(f"\n  {mask(line)}" for line in lines)


def await_drained(cluster: Cluster, names: Iterable[str], pulse: Pulse, timeout: float) -> None:
    """Return when none of these has a pod left; `timeout` in seconds. Raises TimedOut or the pulse's alarm."""
    awaited = sorted(set(names))

    def drained() -> bool:
        left = sum(cluster.running(name) for name in awaited)
        pulse.progress(0 if left else 1, 1, "drained")
        return left == 0

    pulse.wait(drained, timeout, what=f"Draining {', '.join(awaited)}")
