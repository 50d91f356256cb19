"""Pods behind a real API server's proxy: what they are asked, and what comes back of their answers.

An API server proxies to no loopback address. `CARTCTL_TEST_POD_ADDRESS` names one of this machine that the tests may listen
on, best one of a network of its own: `unshare -n`, then `ip addr add 10.99.0.1/32 dev lo` and `ip link set lo up`.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cartctl.adapters.cluster import ClusterUnreachable
from tests.kubernetes.fixture import Played, deployment
from tests.kubernetes.kubelet import Kubelet
from tests.web import Reply, WebRequest, serve

ADDRESS = "CARTCTL_TEST_POD_ADDRESS"


@pytest.fixture
def address(played: Played, kubeconfig: Path | None) -> str:
    """The address of every pod."""
    result = os.environ.get(ADDRESS)
    if kubeconfig is None or result is None or not isinstance(played.nodes, Kubelet):
        pytest.skip(f"needs a real API server, and {ADDRESS}")
    played.nodes.address = result
    return result


def open_shop(played: Played, port: int) -> None:
    """A deployment of one pod with that port."""
    item = deployment("payment-api", played.images.first, 1)
    item["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": port}]
    played.create("apps/v1", "deployments", item)
    played.settle()


def test_a_pod_answers_through_a_real_api_server(played: Played, address: str) -> None:
    """Status, headers and body come back as they are, a 503 and a 404 too; a token for the application is never sent."""

    def answer(request: WebRequest) -> Reply:
        return Reply("gone", 404) if request.path == "/none" else Reply("closed", 503, {"Retry-After": "30"})

    with serve(answer, address) as web:
        open_shop(played, urlsplit(web.url).port or 0)
        (pod,) = played.cluster.pods("payment-api")
        result = played.cluster.ask(
            pod, "/api/products?a=1", {"x-test": "1", "authorization": "Bearer application"}
        )
        none = played.cluster.ask(pod, "/none", {})
    assert (result.status, result.headers["retry-after"], result.body) == (503, "30", "closed")
    assert (none.status, none.body) == (404, "gone")
    assert (web.requests[0].path, web.requests[0].headers["x-test"]) == ("/api/products?a=1", "1")
    assert "authorization" not in web.requests[0].headers


def test_a_pod_that_does_not_listen_is_reported(played: Played, address: str) -> None:
    """The API server's own answer is no answer of the pod."""
    with serve(lambda _: Reply(""), address) as web:
        port = urlsplit(web.url).port or 0
    open_shop(played, port)
    (pod,) = played.cluster.pods("payment-api")
    with pytest.raises(ClusterUnreachable, match="does not respond"):
        played.cluster.ask(pod, "/health", {})
