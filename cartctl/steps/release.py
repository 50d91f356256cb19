"""Releases: set the images of deployments, and revert to the recorded previous images."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster, Image, TemplateRevision, UnknownDeployment
from cartctl.engine.model import Change, Evidence
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.steps.blocked import refuse_blocked, require_deployment
from cartctl.steps.release_wait import await_release


class Release(Change[Image]):
    """Images by `deployment.container`; `images` is what is requested, `timeout` the seconds a release may take.

    Without `images` it is rebuilt from evidence, to revert. `ran` maps name → reference → digest for deployments that are
    stopped now and have no pods to read the digest from.
    """

    kind: ClassVar[str] = "release"
    value: ClassVar[Any] = Image

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        cluster: Cluster,
        *,
        timeout: float,
        images: Mapping[str, str] | None = None,
        ran: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._timeout = timeout
        self._images = images or {}
        self._ran = ran

    def show(self, name: str, value: Image) -> str:  # noqa: ARG002 - the image is enough
        """The image reference."""
        return value.ref

    def guard(self, to: Mapping[str, Image]) -> None:
        """Raise Blocked for deployments that would not release an image now. Read-only."""
        refuse_blocked(self._cluster, _by_deployment(to))

    def remarks(self, evidence: Evidence) -> list[str]:
        """Other changes to the pod templates since the release, field by field. Read-only."""
        known = self._cluster.deployments(fresh=True)
        changes = []
        for deployment, names in _by_deployment(evidence.names).items():
            deployed, recorded = known.get(deployment), evidence.before[names[0]].get("rest", "")
            if deployed is None or not recorded:
                continue
            images = {container: image.ref for container, image in deployed.images.items()}
            if _rest(deployment, deployed.shape, images, evidence.names) != recorded:
                changes += self._changes(deployment, evidence, recorded)
        return [f"{change} changed since the release; kept" for change in changes]

    def _changes(self, deployment: str, evidence: Evidence, recorded: str) -> list[str]:
        """Differences from the template before or after the release, identified by its hash, or else by its images."""
        revisions = self._cluster.revisions(deployment)
        exact = [
            one for one in revisions if _rest(deployment, one.shape, one.images, evidence.names) == recorded
        ]
        alike = exact or [one for one in revisions if _has_images(deployment, one, evidence)]
        if not alike:
            return [f"{deployment}: the pod template"]
        changes = self._other_images(deployment, alike[0], evidence)
        changes += self._cluster.template_changes(deployment, alike[0].template)
        if exact and not changes:
            return [f"{deployment}: the pod template"]
        return [f"{deployment}: {change}" for change in changes]

    def _other_images(self, deployment: str, previous: TemplateRevision, evidence: Evidence) -> list[str]:
        """Containers that the release did not change and that have another image now."""
        now = self._cluster.deployments()[deployment].images
        released = {name.partition(".")[2] for name in evidence.names if name.startswith(f"{deployment}.")}
        return [
            f"image of container {container}"
            for container, image in now.items()
            if container not in released and previous.images.get(container, image.ref) != image.ref
        ]

    def observe(self, names: tuple[str, ...]) -> dict[str, Image]:
        """The currently requested images, with the digest if one runs. Read-only."""
        known = self._cluster.deployments(fresh=True)
        observed = {}
        for name in names:
            deployment, _, container = name.partition(".")
            one = require_deployment(known, deployment)
            if container not in one.images:
                raise UnknownDeployment(
                    f"Deployment {deployment} has no container {container}.",
                    hint=f"Available: {', '.join(sorted(one.images))}.",
                )
            images = {each: image.ref for each, image in one.images.items()}
            rest = _rest(deployment, one.shape, images, names)
            observed[name] = self._with_digest(name, replace(one.images[container], rest=rest))
        return observed

    def target(self, before: Mapping[str, Image]) -> dict[str, Image]:
        """The requested images."""
        return {name: Image(self._images[name], rest=image.rest) for name, image in before.items()}

    def move(self, to: Mapping[str, Image], pulse: Pulse) -> None:
        """Set the images that differ and return when the releases are complete and run the requested images.

        If a tag no longer resolves to the recorded digest, the revert uses the digest.
        """
        now = self.observe(tuple(to))
        self._set_images({name: image.ref for name, image in to.items() if not now[name].same_as(image)})
        self._await(to, pulse)
        moved = [name for name, image in to.items() if image.digest and self._mismatches(name, image)]
        if moved:
            self._set_images({name: to[name].pinned or to[name].ref for name in moved})
            self._await(to, pulse)
        self._verify(to)

    def _set_images(self, refs: Mapping[str, str]) -> None:
        for deployment, names in _by_deployment(refs).items():
            images = {name.partition(".")[2]: refs[name] for name in names}
            self._cluster.set_images(deployment, images, cause=self._cause(images.values()))

    def _cause(self, refs: Iterable[str]) -> str:
        """The change-cause, for people who read `kubectl rollout history`: run, step and image."""
        run = f"cartctl run {self.run}" if self.run else "cartctl"
        verb = " reverted to" if not self._images else ""
        return f"{run}: {self.key}{verb} {', '.join(dict.fromkeys(refs))}"

    def _await(self, names: Iterable[str], pulse: Pulse) -> None:
        await_release(self._cluster, [name.partition(".")[0] for name in names], pulse, self._timeout)

    def _with_digest(self, name: str, image: Image) -> Image:
        deployment, _, container = name.partition(".")
        running = [pod.images.get(container) for pod in self._cluster.pods(deployment) if not pod.ending]
        match = next((runs for runs in running if runs and runs.same_as(image) and runs.digest), image)
        return replace(image, digest=match.digest or self._ran().get(name, {}).get(image.ref))

    def _mismatches(self, name: str, image: Image) -> list[tuple[str, Image | None]]:
        """Pods that do not run the requested image, compared by digest if known."""
        deployment, _, container = name.partition(".")
        pods = [pod for pod in self._cluster.pods(deployment) if not pod.ending]
        running = [(pod.name, pod.images.get(container)) for pod in pods]
        return [(pod, runs) for pod, runs in running if runs is None or not runs.satisfies(image)]

    def _verify(self, to: Mapping[str, Image]) -> None:
        for name, image in to.items():
            for pod, runs in self._mismatches(name, image):
                raise StepFailed(
                    f"Pod {pod} runs {runs.detailed if runs else 'no such container'}, not {image.detailed}.",
                    hint="The tag may have moved; release by digest.",
                )


def _by_deployment(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the deployment before their dot."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.partition(".")[0]].append(name)
    return groups


def _rest(deployment: str, shape: str, images: Mapping[str, str], names: Iterable[str]) -> str:
    """A hash of a template without the images that are released together; "" if the cluster has no templates."""
    if not shape:
        return ""
    released = set(names)
    others = {one: ref for one, ref in images.items() if f"{deployment}.{one}" not in released}
    return sha256(json.dumps([shape, others], sort_keys=True).encode()).hexdigest()[:16]


def _has_images(deployment: str, revision: TemplateRevision, evidence: Evidence) -> bool:
    """Whether a template has the images from before the release, or those that it set."""
    own = [name for name in evidence.names if name.startswith(f"{deployment}.")]
    return any(
        all(revision.images.get(name.partition(".")[2]) == values[name]["ref"] for name in own)
        for values in (evidence.before, *evidence.to)
    )
