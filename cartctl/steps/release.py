"""Which image runs: a release sets images and nothing else, and goes back to the image recorded before it."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster, Deployment, Image, UnknownDeployment
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.steps.rollout import await_rollout


class Release(Change[Image]):
    """Images by `deployment.container`; `images` is what is wanted, `timeout` the seconds a rollout may take.

    `ran` gives name → reference → digest of what is stopped now: no pod of it can be asked any more.
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
        cause: str = "cartctl",
        ran: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._timeout = timeout
        self._images = images or {}
        self._cause = cause
        self._ran = ran

    def observe(self, names: tuple[str, ...]) -> dict[str, Image]:
        """The images asked for now, with the digest where one runs. Read-only."""
        known = self._cluster.deployments(fresh=True)
        return {name: self._with_digest(name, _image(known, name, names)) for name in names}

    def target(self, before: Mapping[str, Image]) -> dict[str, Image]:
        """Each image as wanted."""
        return {name: Image(self._images[name], rest=image.rest) for name, image in before.items()}

    def move(self, to: Mapping[str, Image], pulse: Pulse) -> None:
        """Set the images that differ and return when the rollouts are complete and run what was asked for.

        A tag that no longer stands for the digest that was recorded is put back by the digest.
        """
        now = self.observe(tuple(to))
        self._ask({name: image.ref for name, image in to.items() if not now[name].same_as(image)})
        self._await(to, pulse)
        moved = [name for name, image in to.items() if image.digest and self._strangers(name, image)]
        if moved:
            self._ask({name: to[name].pinned or to[name].ref for name in moved})
            self._await(to, pulse)
        self._verify(to)

    def _ask(self, refs: Mapping[str, str]) -> None:
        changes: dict[str, dict[str, str]] = defaultdict(dict)
        for name, ref in refs.items():
            deployment, _, container = name.partition(".")
            changes[deployment][container] = ref
        for deployment, images in changes.items():
            self._cluster.set_images(deployment, images, cause=self._cause)

    def _await(self, names: Iterable[str], pulse: Pulse) -> None:
        await_rollout(self._cluster, [name.partition(".")[0] for name in names], pulse, self._timeout)

    def _with_digest(self, name: str, image: Image) -> Image:
        deployment, _, container = name.partition(".")
        running = [pod.images.get(container) for pod in self._cluster.pods(deployment) if not pod.ending]
        found = next((runs for runs in running if runs and runs.same_as(image) and runs.digest), image)
        return replace(image, digest=found.digest or self._ran().get(name, {}).get(image.ref))

    def _strangers(self, name: str, image: Image) -> list[tuple[str, Image | None]]:
        """Pods that run something else than the image asked for, by its digest where one is known."""
        deployment, _, container = name.partition(".")
        pods = [pod for pod in self._cluster.pods(deployment) if not pod.ending]
        running = [(pod.name, pod.images.get(container)) for pod in pods]
        return [(pod, runs) for pod, runs in running if runs is None or not _same(runs, image)]

    def _verify(self, to: Mapping[str, Image]) -> None:
        for name, image in to.items():
            for pod, runs in self._strangers(name, image):
                raise StepFailed(
                    f"Pod {pod} runs {runs and _told(runs)}, not {_told(image)}.",
                    hint="Has the tag moved? Release by digest.",
                )


def refuse_unfit_deployment(known: Mapping[str, Deployment], name: str) -> Deployment:
    """The deployment. Raises UnknownDeployment, and Refused for one that is paused or that somebody else would put back."""
    if name not in known:
        raise UnknownDeployment(
            f"There is no deployment {name}.", hint=f"There are {', '.join(sorted(known))}."
        )
    found = known[name]
    if found.paused:
        raise Refused(f"Deployment {name} is paused.", hint=f"kubectl rollout resume deployment/{name}")
    if found.owner:
        raise Refused(
            f"Deployment {name} belongs to {found.owner}, which would put it back.",
            hint=found.pause or f"Pause {found.owner} first.",
        )
    return found


def _image(known: Mapping[str, Deployment], name: str, names: tuple[str, ...]) -> Image:
    """The image asked for. Raises UnknownDeployment, and Refused for a deployment that cannot be released now."""
    deployment, _, container = name.partition(".")
    found = refuse_unfit_deployment(known, deployment)
    if container not in found.images:
        raise UnknownDeployment(
            f"Deployment {deployment} has no container {container}.",
            hint=f"It has {', '.join(sorted(found.images))}.",
        )
    return replace(found.images[container], rest=_rest(found, names))


def _rest(found: Deployment, names: tuple[str, ...]) -> str:
    """A hash of all that the template says but the images that are released together."""
    if not found.shape:
        return ""
    others = {one: image.ref for one, image in found.images.items() if f"{found.name}.{one}" not in names}
    return sha256(json.dumps([found.shape, others], sort_keys=True).encode()).hexdigest()[:16]


def _same(runs: Image, asked: Image) -> bool:
    """The reference, and the digest where one is named or was recorded, and one is known."""
    named = asked.ref.partition("@")[2] or None
    digests = {digest for digest in (asked.digest, named) if digest}
    return runs.same_as(asked) and (not digests or runs.digest in {None, *digests})


def _told(image: Image) -> str:
    return f"{image.ref} ({image.digest})" if image.digest else image.ref
