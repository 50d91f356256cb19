"""The Role of the runbook, applied to a real API server: its verbs suffice, and one that is missing is told."""

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden, Unauthorized
from cartctl.adapters.kubernetes.client.verbs import VERBS
from cartctl.adapters.kubernetes.cluster import Kubernetes
from tests.kubernetes.fixture import Namespace, Played, wait_until
from tests.kubernetes.plane import Plane
from tests.kubernetes.test_cluster_adapter import autoscaler, cronjob
from tests.kubernetes.test_release import API, carry_out, release
from tests.kubernetes.test_role import RUNBOOKS

RBAC = "rbac.authorization.k8s.io/v1"
PATHS = {
    "ServiceAccount": ("", "serviceaccounts"),
    "Role": (RBAC, "roles"),
    "RoleBinding": (RBAC, "rolebindings"),
}
Item = dict[str, Any]


@dataclass
class Account:
    """The runbook's service account in a test's namespace; `kubeconfig` is its own, `admin` the administrator's."""

    namespace: Namespace
    admin: Path
    kubeconfig: Path

    def apply(self, *kinds: str) -> None:
        """What `kubectl apply -f runbooks/kubernetes/role.yaml` makes, of these kinds, in the test's namespace."""
        text = (RUNBOOKS / "role.yaml").read_text(encoding="utf-8").replace("production", self.namespace.name)
        for item in yaml.safe_load_all(text):
            if item["kind"] in kinds:
                self.namespace.create(*PATHS[item["kind"]], item)

    def log_in(self) -> None:
        """Write the kubeconfig with a fresh token of the account."""
        api = self.namespace.cluster.api
        body = {"spec": {"expirationSeconds": 3600}}
        token = api.send("POST", api.path("", "serviceaccounts", "cartctl", "token"), body)["status"]["token"]
        document = yaml.safe_load(self.admin.read_text(encoding="utf-8"))
        document["users"] = [{**user, "user": {"token": token}} for user in document["users"]]
        self.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")

    @property
    def rules(self) -> list[Item]:
        """What the Role grants."""
        results: list[Item] = self.namespace.item(RBAC, "roles", "cartctl")["rules"]
        return results

    def grant(self, rules: list[Item]) -> None:
        """Let the Role grant these and no others."""
        self.namespace.patch(RBAC, "roles", "cartctl", {"rules": rules})


@pytest.fixture
def account(
    namespace: Namespace, kubeconfig: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Account:
    """The service account, logged in, with the Role; KUBECONFIG is its own."""
    if kubeconfig is None:
        pytest.skip("needs a real API server")
    made = Account(namespace, kubeconfig, tmp_path / "account")
    made.apply(*PATHS)
    made.log_in()
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    return made


@pytest.fixture
def cluster(account: Account) -> Iterator[Kubernetes]:
    """The cluster as the service account sees it."""
    made = Kubernetes(None, account.namespace.name)
    wait_until(lambda: made.denied() == [])  # the server's authorizer follows the Role a moment later
    yield made
    made.close()


def test_the_roles_verbs_suffice_for_everything(account: Account, cluster: Kubernetes) -> None:
    """A release, sizes, settings, the touch, questions and logs of pods, the lease: nothing is forbidden."""
    admin = account.namespace
    assert cluster.deployments() == {}
    admin.deploy()
    admin.create("autoscaling/v2", "horizontalpodautoscalers", autoscaler(1, 4))
    admin.create("batch/v1", "cronjobs", cronjob())
    own = Namespace(admin.name, cluster, admin.images, admin.seconds)
    carry_out(release(own, {API: admin.images.second}))
    cluster.set_template("payment-api", cluster.template_of("payment-api", "1"))
    assert [str(one) for one in cluster.obstacles(["payment-api", "x"])] == ["x does not exist"]
    assert cluster.template_changes("payment-api", cluster.revisions("payment-api")[0].template) == []
    assert cluster.unready("payment-api") == []
    assert cluster.shortages({}, ["payment-api"]) == []
    cluster.set_capacity("hpa/payment-api", 2)
    cluster.set_capacity("cronjob/recovery", 0)
    cluster.set_capacity("deployment/payment-api", 3)
    assert cluster.running("cronjob/recovery") == 0
    cluster.put_settings("cart-runtime", {"A": "1"})
    cluster.put_settings("cart-runtime", {"A": "2"})
    cluster.hasten("cart-runtime")
    with suppress(ClusterUnreachable):  # a pod that is played answers nothing
        cluster.ask(cluster.pods("payment-api")[0], "/health", {})
    cluster.logs("payment-api", lines=5)
    cluster.tail("app=payment-api", since=60).read()
    with cluster.lease("test") as held:
        held.confirm()


def test_each_verb_that_is_missing_is_named(account: Account, cluster: Kubernetes) -> None:
    """One after the other is taken from the Role: the review names that one, as it stands in the table."""
    whole = account.rules
    for verb in VERBS:
        rules = copy.deepcopy(whole)
        for rule in list(rules):
            if (
                verb.group in rule["apiGroups"]
                and verb.resource in rule["resources"]
                and verb.verb in rule["verbs"]
            ):
                rules.remove(rule)
                rules += [
                    {**rule, "resources": [one], "verbs": kept}
                    for one in rule["resources"]
                    if (kept := [v for v in rule["verbs"] if (one, v) != (verb.resource, verb.verb)])
                ]
        account.grant(rules)
        _until_denied(cluster, str(verb))


def test_what_is_forbidden_is_reported_with_the_servers_words(account: Account, cluster: Kubernetes) -> None:
    """Exit 3; nothing has changed."""
    account.namespace.deploy()
    account.grant([rule for rule in account.rules if "deployments" not in rule["resources"]])
    wait_until(cluster.denied)
    with pytest.raises(ClusterForbidden, match=r'cannot list resource "deployments"') as refused:
        cluster.deployments()
    assert refused.value.exit_code == 3
    with pytest.raises(ClusterForbidden, match='cannot get resource "deployments"'):
        cluster.set_images("payment-api", {"api": account.namespace.images.second}, cause="test")
    assert account.namespace.refs() == {"api": account.namespace.images.first}


def test_a_token_that_the_server_takes_no_more_is_read_again(account: Account, cluster: Kubernetes) -> None:
    """In the middle of a rollout the account is made anew: its old token is worth nothing, the file has the new one."""
    if not isinstance(account.namespace, Played):
        pytest.skip("the nodes of this cluster are real")
    account.namespace.deploy()
    account.namespace.nodes.startup = 1.0
    own = Namespace(account.namespace.name, cluster, account.namespace.images, account.namespace.seconds)
    cluster.set_images("payment-api", {"api": account.namespace.images.second}, cause="test")
    account.namespace.delete("", "serviceaccounts", "cartctl")
    account.apply("ServiceAccount")
    _until_refused(cluster)
    account.log_in()
    carry_out(release(own, {API: account.namespace.images.second}))


def test_a_server_that_comes_back_forbids_nothing(
    account: Account, cluster: Kubernetes, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers before it has read its roles, and forbids for that moment what it allows: nobody is told to lack a right."""
    admin, path = account.namespace, cluster.api.path("apps/v1", "deployments")
    for at in range(100):  # they take a moment to read
        admin.create(RBAC, "roles", {"metadata": {"name": f"another-{at}"}, "rules": []})
    monkeypatch.setattr(cluster.api, "_sleep", lambda _: time.sleep(0.002))  # its moment is short
    for _ in range(4):
        plane.stop_api_server()
        starting = threading.Thread(target=plane.start_api_server)
        starting.start()
        try:
            while starting.is_alive():
                assert cluster.api.listing(path)[0] == []
        finally:
            starting.join()


def test_in_a_pod_its_own_account_is_used_and_read_again(
    account: Account, cluster: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address from the environment, token and certificate from the files that a kubelet mounts and writes anew."""
    mounted = {"SERVICE_TOKEN_FILENAME": tmp_path / "token", "SERVICE_CERT_FILENAME": tmp_path / "ca.crt"}
    for name, path in mounted.items():
        monkeypatch.setattr(f"kubernetes.config.incluster_config.{name}", str(path))
    document = yaml.safe_load(account.kubeconfig.read_text(encoding="utf-8"))
    authority = document["clusters"][0]["cluster"].get("certificate-authority")
    if authority is None:
        pytest.skip("the kubeconfig names no file with the certificate")
    address = urlsplit(cluster.api.access.host)
    (tmp_path / "ca.crt").write_bytes(Path(authority).read_bytes())
    (tmp_path / "token").write_text("of-yesterday", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(address.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(address.port))
    inside = Kubernetes(None, account.namespace.name)
    with pytest.raises(Unauthorized):
        inside.settings("any")
    (tmp_path / "token").write_text(document["users"][0]["user"]["token"], encoding="utf-8")
    assert (inside.settings("any"), inside.denied(), inside.verified) == ({}, [], True)
    inside.close()


def _until_denied(cluster: Kubernetes, verb: str) -> None:
    """Wait until that verb is what the review names, and nothing else."""
    wait_until(lambda: cluster.denied() == [verb])


def _until_refused(cluster: Kubernetes) -> None:
    """Wait until the server's memory of the token has passed."""

    def refused() -> bool:
        try:
            cluster.settings("any")
        except Unauthorized:
            return True
        return False

    wait_until(refused, 60)
