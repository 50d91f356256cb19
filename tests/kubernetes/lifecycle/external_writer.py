"""Another writer on the cluster, for tests that modify what cartctl changes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.adapters.kubernetes.cluster import Kubernetes
from cartctl.adapters.supervisor.cluster import Processes
from tests.kubernetes.store import Item


@contextmanager
def theirs() -> Iterator[Kubernetes]:
    """Their access to the namespace that cartctl is configured for."""
    cluster = Kubernetes(None, os.environ["CARTCTL_CLUSTER__NAMESPACE"], force_owned=True)
    try:
        yield cluster
    finally:
        cluster.close()


def patch(group: str, resource: str, name: str, change: Item) -> None:
    """What they do to an object."""
    with theirs() as cluster:
        path = cluster.api.path(group, resource, name)
        cluster.api.send("PATCH", path, change, content=MERGE_PATCH)


class Somebody(Processes):
    """Sees what the supervisor sees; writes to the API server, as whoever else works there does."""

    def set_images(self, deployment: str, images: Mapping[str, str], *, cause: str) -> None:
        """Release by container."""
        with theirs() as cluster:
            cluster.set_images(deployment, images, cause=cause)

    def set_capacity(self, name: str, size: int) -> None:
        """Scale."""
        with theirs() as cluster:
            cluster.set_capacity(name, size)
