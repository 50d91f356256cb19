"""Which image runs: a release sets images and nothing else, and goes back to the image recorded before it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster, Deployment, Image, UnknownDeployment
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.steps.rollout import await_rollout


class Release(Change[Image]):
    """Images by `deployment.container`; `images` is what is wanted, `timeout` the seconds a rollout may take."""

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
        cause: str = "cartctl",
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._timeout = timeout
        self._images = images or {}
        self._cause = cause

    def observe(self, names: tuple[str, ...]) -> dict[str, Image]:
        """The images asked for now, with the digest where one runs. Read-only."""
        known = self._cluster.deployments()
        return {name: self._with_digest(name, _image(known, name)) for name in names}

    def target(self, before: Mapping[str, Image]) -> dict[str, Image]:
        """Each image as wanted."""
        return {name: Image(self._images[name]) for name in before}

    def move(self, to: Mapping[str, Image], pulse: Pulse) -> None:
        """Set the images that differ and return when the rollouts are complete and run what was asked for."""
        now = self.observe(tuple(to))
        changes: dict[str, dict[str, str]] = defaultdict(dict)
        for name, image in to.items():
            deployment, _, container = name.partition(".")
            if now[name] != image:
                changes[deployment][container] = image.ref
        for deployment, images in changes.items():
            self._cluster.set_images(deployment, images, cause=self._cause)
        await_rollout(self._cluster, [name.partition(".")[0] for name in to], pulse, self._timeout)
        self._verify(to)

    def _with_digest(self, name: str, image: Image) -> Image:
        deployment, _, container = name.partition(".")
        running = [pod.images.get(container) for pod in self._cluster.pods(deployment) if not pod.ending]
        return next((found for found in running if found == image and found.digest), image)

    def _verify(self, to: Mapping[str, Image]) -> None:
        """Every pod runs the image asked for, by its digest where one was recorded."""
        for name, image in to.items():
            deployment, _, container = name.partition(".")
            for pod in self._cluster.pods(deployment):
                runs = pod.images.get(container)
                if not pod.ending and (runs is None or not _same(runs, image)):
                    raise StepFailed(
                        f"Pod {pod.name} runs {runs and _told(runs)}, not {_told(image)}.",
                        hint="Has the tag moved? Release by digest.",
                    )


def _image(known: Mapping[str, Deployment], name: str) -> Image:
    deployment, _, container = name.partition(".")
    if deployment not in known:
        raise UnknownDeployment(
            f"There is no deployment {deployment}.", hint=f"There are {', '.join(sorted(known))}."
        )
    found = known[deployment]
    if container not in found.images:
        raise UnknownDeployment(
            f"Deployment {deployment} has no container {container}.",
            hint=f"It has {', '.join(sorted(found.images))}.",
        )
    if found.paused:
        raise Refused(
            f"Deployment {deployment} is paused.", hint=f"kubectl rollout resume deployment/{deployment}"
        )
    if found.owner:
        raise Refused(
            f"Deployment {deployment} belongs to {found.owner}, which would put it back.",
            hint=f"Pause {found.owner} first.",
        )
    return found.images[container]


def _same(runs: Image, asked: Image) -> bool:
    """The reference, and the digest where one was recorded and one is known."""
    return runs == asked and (asked.digest is None or runs.digest in {None, asked.digest})


def _told(image: Image) -> str:
    return f"{image.ref} ({image.digest})" if image.digest else image.ref
