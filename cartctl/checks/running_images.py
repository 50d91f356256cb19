"""Whether the images that a rollback reverted to are what runs: an old version that answers may be a replica that was left over."""

from collections.abc import Iterator, Mapping

from cartctl.adapters.cluster import Cluster, Image, UnknownDeployment
from cartctl.checks.probes.probe import failed, passed
from cartctl.engine.model import CheckResult


def running_images(cluster: Cluster, recorded: Mapping[str, Image]) -> Iterator[CheckResult]:
    """One result for each `deployment.container`: every pod that is not ending runs its recorded image, by its digest. Read-only.

    A deployment that is scaled to 0, as workers are meanwhile, is judged by what it requests.
    """
    known = cluster.deployments(fresh=True)
    for name, image in recorded.items():
        deployment, _, container = name.partition(".")
        if deployment not in known:
            raise UnknownDeployment(f"Deployment {deployment} not found.")
        requested = known[deployment].images.get(container)
        if known[deployment].replicas == 0:
            result = _requested(requested, image)
        else:
            pods = [pod for pod in cluster.pods(deployment) if not pod.ending]
            result = _running({pod.name: pod.images.get(container) for pod in pods if pod.ready}, image)
        yield CheckResult(f"image.{name}", result.verdict, result.observed, result.expected, result.hint)


def _requested(requested: Image | None, recorded: Image) -> CheckResult:
    if requested is not None and requested.same_as(recorded):
        return passed(f"{requested.ref}, no replica")
    return failed(f"{requested.ref if requested else 'no such container'}, no replica", recorded.ref)


def _running(pods: Mapping[str, Image | None], recorded: Image) -> CheckResult:
    if not pods:
        return failed("no pod is ready", recorded.ref)
    others = {pod: runs for pod, runs in pods.items() if runs is None or not runs.satisfies(recorded)}
    if not others:
        return passed(f"{recorded.ref} in {len(pods)} pods")
    observed = ", ".join(
        f"{pod} runs {runs.detailed if runs else 'no such container'}" for pod, runs in others.items()
    )
    return failed(
        observed, recorded.detailed, "Roll back again, or find out why the release was not reverted."
    )
