"""A namespace of a real API server: of the cluster behind `CARTCTL_TEST_KUBECONFIG`, or of a control plane started here.

Each test makes a namespace of its own and removes it. Where the cluster has no nodes its pods are played by `kubelet.py`.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartctl.adapters.kubernetes.client.access import Access
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.cluster import Kubernetes
from tests.kubernetes import earlier_versions
from tests.kubernetes.earlier_versions import is_earlier_version
from tests.kubernetes.kubelet import Kubelet, playing
from tests.kubernetes.namespace import Images, Namespace, Played, wait_until
from tests.kubernetes.node import PREFIX, Node
from tests.kubernetes.plane import Plane

GIVEN, PROGRAMS = "CARTCTL_TEST_KUBECONFIG", "CARTCTL_TEST_CONTROL_PLANE"
CONTEXT = f"{GIVEN}_CONTEXT"
BACK = 90.0  # seconds until a controller has looked again for an API server that was restarted
PAUSE = "registry.k8s.io/pause"


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane of the session's own, where its programs were given."""
    folder = os.environ.get(PROGRAMS)
    if folder is None:
        pytest.skip(f"starts and stops a control plane: set {PROGRAMS}")
    made = Plane(Path(folder), tmp_path_factory.mktemp("plane"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path | None:
    """The kubeconfig of a real cluster, or None where none was given."""
    if os.environ.get(PROGRAMS):
        result: Plane = request.getfixturevalue("plane")
        return result.kubeconfig
    given = os.environ.get(GIVEN)
    return Path(given) if given else None


@pytest.fixture(scope="session")
def node(kubeconfig: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node | None]:
    """The node on which pods are played; None where a cluster has nodes of its own, or there is no cluster."""
    if kubeconfig is None:
        yield None
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        api = Api(Access(os.environ.get(CONTEXT)), "default")
    there = [one["metadata"]["name"] for one in api.listing("/api/v1/nodes")[0]]
    made = Node(api, tmp_path_factory.mktemp("node"))
    try:
        if all(name.startswith(PREFIX) for name in there):
            made.start()
            yield made
        else:
            yield None
    finally:
        made.stop()
        api.access.close()


@contextmanager
def real_namespace(
    kubeconfig: Path, node: Node | None, play: Callable[[Api, str], Kubelet] = Kubelet
) -> Iterator[Namespace]:
    """A namespace of its own, its pods played on `node` where one is given, by what `play` makes; removed in the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(kubeconfig))
        context, name = os.environ.get(CONTEXT), f"cartctl-test-{secrets.token_hex(4)}"
        cluster = Kubernetes(context, name)
        if is_earlier_version(cluster.api):
            patch.setattr(Api, "path", earlier_versions.path)
        cluster.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        try:
            account = cluster.api.path("", "serviceaccounts", "default")
            wait_until(lambda: cluster.api.find(account), BACK)
            if node is None:
                images = Images(f"{PAUSE}:3.9", f"{PAUSE}:3.10", f"{PAUSE}:no-such")
                yield Namespace(name, cluster, images, 180.0)
            else:
                with playing(play(Api(Access(context), name), node.name)) as kubelet:
                    yield Played(name, cluster, seconds=60.0, nodes=kubelet)
        finally:
            cluster.api.send("DELETE", f"/api/v1/namespaces/{name}")
            cluster.close()
