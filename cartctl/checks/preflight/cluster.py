"""Whether the cluster has what the plan will change, standing still and in nobody else's hands."""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Deployment, UnknownDeployment
from cartctl.checks.preflight.look import failed, passed, warned
from cartctl.config.model import Environment
from cartctl.engine.model import CheckResult


@runtime_checkable
class KnowsImages(Protocol):
    """A cluster that can tell which images it has; a registry's would have to be asked for."""

    def images(self) -> list[str]:
        """The references it can run. Read-only."""


@runtime_checkable
class KnowsPermissions(Protocol):
    """A cluster that can tell what it would refuse us, and whether it is who it says it is."""

    @property
    def verified(self) -> bool:
        """Whether its certificate is checked."""

    def denied(self) -> list[str]:
        """The verbs that are missing. Read-only."""


def wanted(environment: Environment, images: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the plan touches: deployment → container → image asked for; without containers where only replicas move.

    `images` are those of the command line, by DEPLOYMENT or DEPLOYMENT.CONTAINER; they win.
    """
    cluster, release = environment.cluster, environment.release
    found: dict[str, dict[str, str]] = {name: {} for name in (*cluster.prewarm, *cluster.workers.deployments)}
    for name, image in {**release.api, **release.workers, **release.frontend, **images}.items():
        deployment, dot, container = name.partition(".")
        containers = found.setdefault(deployment, {})
        containers.update({container: image} if dot else dict.fromkeys(containers, image))
    return found


def look_at_cluster(
    cluster: Cluster, environment: Environment, images: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Reachable, and each deployment of the plan there, whole and free. Read-only."""
    try:
        known = cluster.deployments()
    except ClusterUnreachable as error:
        yield failed("cluster.reachable", error.message, "an answer", error.hint)
        return
    yield passed("cluster.reachable", f"{len(known)} deployments")
    if isinstance(cluster, KnowsPermissions):
        yield _permissions(cluster.denied())
        if not cluster.verified:
            hint = "Leave insecure-skip-tls-verify out of the kubeconfig."
            yield warned("cluster.tls", "the API server's certificate is not checked", "a checked one", hint)
    asked = wanted(environment, images)
    for name, containers in asked.items():
        yield _deployment(name, known, containers)
    for name in environment.cluster.workers.cronjobs:
        yield _cronjob(cluster, name)
    refs = {*images.values(), *_refs(asked)}
    yield _images(cluster.images(), refs) if isinstance(cluster, KnowsImages) else _pinned(refs)


def _permissions(denied: list[str]) -> CheckResult:
    if denied:
        hint = "Grant them: runbooks/kubernetes/role.yaml lists every verb."
        return failed("cluster.permissions", f"may not {', '.join(denied)}", "every verb of the Role", hint)
    return passed("cluster.permissions", "every verb of the Role")


def _cronjob(cluster: Cluster, name: str) -> CheckResult:
    title = f"cluster.cronjob.{name}"
    try:
        size = cluster.capacity([f"cronjob/{name}"])[f"cronjob/{name}"]
    except UnknownDeployment as missing:
        return failed(title, missing.message, "a CronJob that exists", missing.hint)
    return passed(title, "scheduled" if size else "suspended")


def _pinned(refs: set[str]) -> CheckResult:
    """A reference without tag and digest is whatever is newest, another time for each node."""
    if loose := sorted(ref for ref in refs if is_loose(ref)):
        hint = "Name a tag, or better a digest: what is newest changes between two pods."
        return warned("cluster.images", f"no tag or digest: {', '.join(loose)}", "a tag or a digest", hint)
    return passed("cluster.images", ", ".join(sorted(refs)) or "none asked for")


def is_loose(ref: str) -> bool:
    """Whether a reference names neither tag nor digest, or the tag that moves by its very name."""
    if "@" in ref:
        return False
    tag = ref.rpartition("/")[2].partition(":")[2]
    return tag in {"", "latest"}


def _deployment(name: str, known: Mapping[str, Deployment], containers: Mapping[str, str]) -> CheckResult:
    title = f"cluster.{name}"
    found = known.get(name)
    if found is None:
        there = ", ".join(sorted(known)) or "none"
        return failed(
            title, "no such deployment", f"one of {there}", "Correct its name in the configuration."
        )
    if missing := sorted(set(containers) - set(found.images)):
        there = ", ".join(sorted(found.images))
        hint = "Correct the container's name: DEPLOYMENT.CONTAINER."
        return failed(title, f"no container {', '.join(missing)}", f"one of {there}", hint)
    return _standing(title, found)


def _standing(title: str, found: Deployment) -> CheckResult:
    expected = f"{found.replicas} replicas rolled out"
    if found.owner:
        hint = found.pause or f"Pause {found.owner}: it would put back what a release changes."
        return failed(title, f"kept by {found.owner}", "nobody else's", hint)
    if found.paused:
        return failed(title, "paused", "not paused", f"kubectl rollout resume deployment/{found.name}")
    if found.failure or not found.complete:
        observed = (
            found.failure
            or f"{found.available} of {found.replicas} available, {found.updated} updated, {found.total} in all"
        )
        return failed(title, observed, expected, "Let the rollout end, or mend it, before deploying over it.")
    images = ", ".join(image.ref for image in found.images.values())
    return passed(title, f"{found.replicas} replicas of {images}", expected)


def _refs(asked: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {image for containers in asked.values() for image in containers.values()}


def _images(known: list[str], asked: set[str]) -> CheckResult:
    tags = {ref for ref in asked if not ref.startswith("sha256:")}  # a bare digest names no tag to look for
    if lacking := sorted(ref for ref in tags if ref.partition("@")[0] not in known):
        hint = f"There are: {', '.join(known)}."
        return failed("cluster.images", f"no image {', '.join(lacking)}", "images that exist", hint)
    return passed("cluster.images", ", ".join(sorted(asked)) or "none asked for")
