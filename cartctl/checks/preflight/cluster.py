"""Whether the cluster has what the plan will change, rolled out, free to be changed, and with room for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Deployment, Obstacle, UnknownDeployment
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult


@runtime_checkable
class KnowsImages(Protocol):
    """A cluster that knows which images it has, without a registry."""

    def images(self) -> list[str]:
        """The references it can run. Read-only."""


@runtime_checkable
class KnowsPermissions(Protocol):
    """A cluster with access control, whose certificate can be checked."""

    @property
    def verified(self) -> bool:
        """Whether its certificate is checked."""

    def denied(self) -> list[str]:
        """The verbs that are missing. Read-only."""


@runtime_checkable
class KnowsLimits(Protocol):
    """A cluster whose autoscalers and quotas may have less room than the plan needs."""

    def limit(self, name: str) -> tuple[str, int] | None:
        """An autoscaler's own name and the most replicas it allows. Raises UnknownDeployment. Read-only."""

    def shortages(self, more: Mapping[str, int], released: Iterable[str]) -> list[str]:
        """What quotas lack for `more` replicas and for a release of deployments at once. Read-only."""


def touched_images(environment: Environment, images: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the plan touches: deployment → container → image asked for; without containers where only replicas move.

    `images` are those of the command line, by DEPLOYMENT or DEPLOYMENT.CONTAINER; they win.
    """
    cluster, release = environment.cluster, environment.release
    targets: dict[str, dict[str, str]] = {
        name: {} for name in (*cluster.prewarm, *cluster.workers.deployments)
    }
    for name, image in {**release.api, **release.workers, **release.frontend, **images}.items():
        deployment, dot, container = name.partition(".")
        containers = targets.setdefault(deployment, {})
        containers.update({container: image} if dot else dict.fromkeys(containers, image))
    return targets


def check_cluster(
    cluster: Cluster, environment: Environment, images: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Reachable, with room and permissions, and each deployment of the plan there and free to be changed. Read-only."""
    try:
        known = cluster.deployments()
    except ClusterUnreachable as error:
        yield failed("cluster.reachable", error.message, "a response", error.hint)
        return
    yield passed("cluster.reachable", f"{len(known)} deployments")
    if isinstance(cluster, KnowsPermissions):
        yield _permissions(cluster.denied())
        if not cluster.verified:
            hint = "Remove insecure-skip-tls-verify from the kubeconfig."
            yield warned(
                "cluster.tls",
                "the API server's certificate is not verified",
                "certificate verification",
                hint,
            )
    targets = touched_images(environment, images)
    obstacles = cluster.obstacles(targets)
    yield from _namespace(obstacles)
    for name, containers in targets.items():
        own = [one for one in obstacles if one.deployment == name]
        yield _deployment(name, known, containers, own, _on(environment))
    for name in environment.cluster.workers.cronjobs:
        yield _cronjob(cluster, name)
    if isinstance(cluster, KnowsLimits):
        yield from _room(cluster, cluster, environment, known)
    refs = {*images.values(), *_refs(targets)}
    yield _images(cluster.images(), refs) if isinstance(cluster, KnowsImages) else _pinned(refs)


def _on(environment: Environment) -> str:
    """The part of a kubectl command that names the namespace; "" where there is no kubectl."""
    return f" -n {environment.cluster.namespace}" if environment.cluster.kind == "kubernetes" else ""


def _namespace(obstacles: Iterable[Obstacle]) -> Iterator[CheckResult]:
    for one in obstacles:
        if one.deployment.startswith("namespace "):
            yield failed("cluster.namespace", str(one), "an existing namespace", one.hint)


def _room(
    cluster: Cluster, limits: KnowsLimits, environment: Environment, known: Mapping[str, Deployment]
) -> Iterator[CheckResult]:
    """Whether autoscalers and quotas allow what prewarm and the releases request."""
    more = {name: count for name, count in environment.cluster.prewarm.items() if name in known}
    if more:
        yield _prewarm(cluster, limits, environment, more)
    release = environment.release
    groups = [{name.partition(".")[0] for name in group} for group in (release.api, release.frontend)]
    shortages = (limits.shortages(more, sorted(group)) for group in groups)
    if lines := next((lines for lines in shortages if lines), []):
        hint = f"Raise the quota, or lower cluster.prewarm; see: kubectl describe quota{_on(environment)}"
        yield failed("cluster.quota", "; ".join(lines), "quota for the pods of a release", hint)
    else:
        yield passed("cluster.quota", "quota for the pods of a release")


def _prewarm(
    cluster: Cluster, limits: KnowsLimits, environment: Environment, more: Mapping[str, int]
) -> CheckResult:
    sizes, over, names = [], [], []
    for scaler in cluster.scalers(more):
        name = scaler.partition("/")[2]
        size = cluster.capacity([scaler])[scaler] + more[name]
        limit = limits.limit(scaler)
        sizes.append(f"{scaler} to {size}")
        if limit and size > limit[1]:
            names.append(limit[0])
            over.append(
                f"the autoscaler {limit[0]} of {name} allows at most {limit[1]} replicas, prewarm needs {size}"
            )
    if over:
        edits = "; ".join(f"kubectl edit hpa {name}{_on(environment)}" for name in names)
        hint = f"Raise maxReplicas ({edits}), or lower cluster.prewarm."
        return failed("cluster.prewarm", "; ".join(over), "maxReplicas of at least that", hint)
    return passed("cluster.prewarm", ", ".join(sizes))


def _permissions(denied: list[str]) -> CheckResult:
    if denied:
        hint = "Grant these verbs: runbooks/kubernetes/role.yaml lists all of them."
        return failed("cluster.permissions", f"may not {', '.join(denied)}", "every verb of the Role", hint)
    return passed("cluster.permissions", "every verb of the Role")


def _cronjob(cluster: Cluster, name: str) -> CheckResult:
    title = f"cluster.cronjob.{name}"
    try:
        size = cluster.capacity([f"cronjob/{name}"])[f"cronjob/{name}"]
    except UnknownDeployment as missing:
        return failed(title, missing.message, "an existing CronJob", missing.hint)
    return passed(title, "scheduled" if size else "suspended")


def _pinned(refs: set[str]) -> CheckResult:
    """A reference without tag and digest is whatever is newest, another time for each node."""
    if loose := sorted(ref for ref in refs if is_loose(ref)):
        hint = "Set a tag or, better, a digest: otherwise two pods may run different images."
        return warned("cluster.images", f"no tag or digest: {', '.join(loose)}", "a tag or a digest", hint)
    return passed("cluster.images", ", ".join(sorted(refs)) or "none requested")


def is_loose(ref: str) -> bool:
    """Whether a reference names neither tag nor digest, or the tag that moves by its very name."""
    if "@" in ref:
        return False
    tag = ref.rpartition("/")[2].partition(":")[2]
    return tag in {"", "latest"}


def _deployment(
    name: str,
    known: Mapping[str, Deployment],
    containers: Mapping[str, str],
    obstacles: Sequence[Obstacle],
    on: str,
) -> CheckResult:
    title = f"cluster.{name}"
    deployment_state = known.get(name)
    if deployment_state is None:
        there = ", ".join(sorted(known)) or "none"
        problem = "; ".join(one.problem for one in obstacles) or "does not exist"
        hint = obstacles[0].hint if obstacles and "not a Deployment" in problem else ""
        return failed(title, problem, f"one of {there}", hint or "Correct its name in the configuration.")
    if missing := sorted(set(containers) - set(deployment_state.images)):
        there = ", ".join(sorted(deployment_state.images))
        hint = "Correct the container's name: DEPLOYMENT.CONTAINER."
        return failed(title, f"no container {', '.join(missing)}", f"one of {there}", hint)
    if obstacles:
        hints = dict.fromkeys(one.hint for one in obstacles if one.hint)
        problems = "; ".join(one.problem for one in obstacles)
        return failed(title, problems, "a Deployment that is not paused", "; ".join(hints))
    return _standing(title, deployment_state, on)


def _standing(title: str, deployment: Deployment, on: str) -> CheckResult:
    expected = f"{deployment.replicas} replicas rolled out"
    if deployment.failure or not deployment.complete:
        observed = (
            deployment.failure
            or f"{deployment.available} of {deployment.replicas} available, {deployment.updated} updated, {deployment.total} in total"
        )
        see = f"; see: kubectl rollout status deployment/{deployment.name}{on}" if on else ""
        return failed(title, observed, expected, f"First wait for the release to complete, or repair it{see}")
    images = ", ".join(image.ref for image in deployment.images.values())
    return passed(title, f"{deployment.replicas} replicas of {images}", expected)


def _refs(targets: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {image for containers in targets.values() for image in containers.values()}


def _images(known: list[str], images: set[str]) -> CheckResult:
    tags = {ref for ref in images if not ref.startswith("sha256:")}  # a bare digest names no tag to look for
    if lacking := sorted(ref for ref in tags if ref.partition("@")[0] not in known):
        hint = f"Available: {', '.join(known)}."
        return failed("cluster.images", f"no image {', '.join(lacking)}", "existing images", hint)
    return passed("cluster.images", ", ".join(sorted(images)) or "none requested")
