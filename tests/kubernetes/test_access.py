"""Which cluster, as whom, and what is said when that is wrong."""

import json
from pathlib import Path

import pytest

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden, Unauthorized
from cartctl.adapters.kubernetes.cluster import Kubernetes
from cartctl.errors import CartctlError, ConfigError
from tests.kubernetes.fixture import Small
from tests.kubernetes.server import Request
from tests.kubernetes.store import ApiFault


def test_without_a_kubeconfig_nothing_can_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, with the path that was looked at; in a pod without a token too."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"No kubeconfig found at .*none"):
        Kubernetes(None, "production")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    with pytest.raises(ConfigError, match="service account"):
        Kubernetes(None, "production")


@pytest.mark.parametrize("text", ("{", "[]", "clusters: 3", "", '{"contexts": [{"name": "test"}]}'))
def test_a_broken_kubeconfig_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Whatever stands in it, it is a configuration error that names the file."""
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ConfigError, match="kubeconfig"):
        Kubernetes(None, "production")


def test_an_unknown_context_names_those_there_are(small: Small) -> None:
    """Exit 2."""
    with pytest.raises(ConfigError, match="no context prod-eu") as wrong:
        Kubernetes("prod-eu", "production")
    assert wrong.value.hint == "Available contexts: test, other."


def test_an_unknown_namespace_is_reported_though_its_list_is_empty(small: Small) -> None:
    """A list in a namespace that nobody made is no error of the server's."""
    cluster = Kubernetes(None, "staging")
    with pytest.raises(ConfigError, match="Namespace staging not found"):
        cluster.deployments()
    cluster.close()
    assert small.cluster.deployments() == {}


def test_a_server_that_lacks_an_api_is_reported_to_be_too_old(small: Small) -> None:
    """Its 404 for a whole kind is no missing object: exit 2, with the version that is needed."""

    def lack(request: Request) -> None:
        if request.resource == "horizontalpodautoscalers":
            raise ApiFault(404, "NotFound", "the server could not find the requested resource")

    small.deploy()
    small.server.fault = lack
    with pytest.raises(ConfigError, match="does not serve autoscaling/v2 horizontalpodautoscalers") as old:
        Kubernetes(None, "production").deployments()
    assert "1.23" in old.value.hint


def test_a_forbidden_verb_is_named(small: Small) -> None:
    """Exit 3 with the server's words and where the Role is."""
    small.server.denied.add(("list", "deployments"))
    with pytest.raises(ClusterForbidden, match="cannot list") as refused:
        small.cluster.deployments()
    assert (refused.value.exit_code, "runbooks/kubernetes" in refused.value.hint) == (3, True)


def test_the_preflight_requires_each_verb(small: Small) -> None:
    """Those that are missing are named as kubectl auth can-i would take them."""
    small.server.denied |= {("patch", "deployments"), ("get", "pods/log")}
    assert small.cluster.denied() == ["get pods/log", "patch deployments.apps"]


def test_a_token_that_expires_is_read_again(small: Small) -> None:
    """The server takes only the new one, and the kubeconfig has it by now."""
    small.deploy()
    small.server.token = "second-token"
    small.server.kubeconfig(small.kubeconfig)
    assert small.cluster.settings("any") == {}
    assert small.cluster.deployments()["payment-api"].complete


def test_credentials_that_stay_wrong_are_reported_and_stand_in_no_message(small: Small) -> None:
    """Exit 2, and neither token is shown."""
    small.server.token = "another"
    with pytest.raises(Unauthorized) as refused:
        small.cluster.settings("any")
    assert refused.value.exit_code == 2
    assert "token" not in f"{refused.value.message}{refused.value.__cause__}"


def test_a_server_that_never_answered_is_given_up_soon(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address should not cost a minute."""
    monkeypatch.setattr("cartctl.adapters.kubernetes.client.api.FIRST", 0.3)
    small.server.stop()
    with pytest.raises(ClusterUnreachable, match="does not respond"):
        Kubernetes(None, "production").deployments()


def test_a_server_that_is_busy_at_first_is_waited_for(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers 429 is no wrong address: a queue of its own may have kept the request for 15 s."""
    monkeypatch.setattr("cartctl.adapters.kubernetes.client.api.FIRST", 0.3)
    requests: list[str] = []

    def refuse(request: Request) -> None:
        if (request.verb, request.resource) == ("list", "deployments"):
            requests.append(request.verb)
            if len(requests) == 1:
                raise ApiFault(429, "TooManyRequests", "not now", {"Retry-After": "1"})

    small.deploy()
    small.server.fault = refuse
    cluster = Kubernetes(None, "production")
    assert set(cluster.deployments()) == {"payment-api"}
    cluster.close()


def test_what_is_no_api_server_is_reported(small: Small) -> None:
    """A proxy's page is not JSON."""
    small.server.proxy = lambda *_: (200, {}, "<html>")
    api: Api = small.cluster.api
    small.create("", "pods", {"metadata": {"name": "p"}})
    with pytest.raises(CartctlError, match="not from an API server"):
        api.get(api.path("", "pods", "p", "proxy/x"))


def test_the_kubeconfigs_own_file_is_left_alone(small: Small) -> None:
    """Nothing is written into it."""
    before = small.kubeconfig.read_text(encoding="utf-8")
    small.cluster.settings("any")
    assert json.loads(before) == json.loads(small.kubeconfig.read_text(encoding="utf-8"))
