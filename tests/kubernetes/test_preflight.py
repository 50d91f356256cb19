"""What preflight foresees of a cluster: room, ownership, other kinds; and which of its results can be skipped."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.checks.preflight import Preflight
from cartctl.checks.preflight.cluster import check_cluster
from cartctl.checks.preflight.migrations import Pending
from cartctl.cli import app
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import UsageError
from cartctl.ports import Ports
from tests.kubernetes.fixture import Namespace, Small, wait_until
from tests.kubernetes.test_cluster_adapter import autoscaler
from tests.kubernetes.test_steps import environment

NAME = "payment-api"


def looked(namespace: Namespace, **cluster: Any) -> dict[str, CheckResult]:
    """The preflight results about the cluster, by name."""
    env = environment(**cluster)
    own = env.model_copy(update={"cluster_": env.cluster.model_copy(update={"namespace": namespace.name})})
    return {one.name: one for one in check_cluster(namespace.cluster, own, {})}


def quota(namespace: Namespace, hard: dict[str, str], used: dict[str, str]) -> None:
    """A quota, and its status as the controller keeps it."""
    item = {
        "metadata": {"name": "team"},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": used},
    }
    namespace.create("", "resourcequotas", item)
    wait_until(lambda: (namespace.item("", "resourcequotas", "team").get("status") or {}).get("used") == used)


def test_an_autoscaler_that_allows_less_than_prewarm_needs_is_foreseen(namespace: Namespace) -> None:
    """Not at T-60, in the middle of the plan, but before it; with the command that raises it."""
    namespace.deploy(replicas=1)
    namespace.create("autoscaling/v2", "horizontalpodautoscalers", autoscaler(1, 4))
    assert looked(namespace, prewarm={NAME: 3})["cluster.prewarm"].verdict is Verdict.PASS
    result = looked(namespace, prewarm={NAME: 5})["cluster.prewarm"]
    assert (result.verdict, result.observed) == (
        Verdict.FAIL,
        "the autoscaler api-hpa of payment-api allows at most 4 replicas, prewarm needs 6",
    )
    assert f"kubectl edit hpa api-hpa -n {namespace.name}" in result.hint


def test_a_quota_without_room_for_a_release_is_foreseen(namespace: Namespace) -> None:
    """A release makes a pod beside those that run, prewarm more of them: each resource that lacks is named."""
    namespace.deploy(replicas=2)
    quota(namespace, {"pods": "3", "configmaps": "99"}, {"pods": "2", "configmaps": _configmaps(namespace)})
    assert looked(namespace)["cluster.quota"].verdict is Verdict.PASS
    result = looked(namespace, prewarm={NAME: 3})["cluster.quota"]
    assert (result.verdict, result.observed) == (
        Verdict.FAIL,
        "quota team: pods 2 of 3 used, 5 more needed",
    )
    assert f"kubectl describe quota -n {namespace.name}" in result.hint


def _configmaps(namespace: Namespace) -> str:
    path = namespace.cluster.api.path("", "configmaps")
    return str(len(namespace.cluster.api.listing(path)[0]))


@pytest.mark.parametrize(
    ("resources", "hard", "observed"),
    (
        (
            {"requests": {"cpu": "500m", "memory": "1Gi"}},
            {"requests.memory": "2560Mi"},
            "requests.memory 2Gi of 2560Mi used, 1024Mi more needed",
        ),
        ({"limits": {"cpu": "2"}}, {"cpu": "1500m"}, "cpu 1 of 1500m used, 2 more needed"),
        ({"requests": {"cpu": "500m"}}, {"cpu": "1500m"}, ""),
        ({}, {"cpu": "1"}, ""),
    ),
)
def test_quantities_are_the_servers(
    small: Small, resources: dict[str, Any], hard: dict[str, str], observed: str
) -> None:
    """Cores in thousandths, bytes by binary suffix; a request that is missing is the limit."""
    small.deploy()
    container = {**small.item("apps/v1", "deployments", NAME)["spec"]["template"]["spec"]["containers"][0]}
    spec = {"containers": [{**container, "resources": resources}]}
    small.patch("apps/v1", "deployments", NAME, {"spec": {"template": {"spec": spec}}})
    small.settle()
    quota(small, hard, {name: "2Gi" if "memory" in name else "1" for name in hard})
    result = looked(small)["cluster.quota"]
    assert (result.verdict is Verdict.PASS, observed in str(result.observed)) == (not observed, True)


def test_a_quota_for_other_pods_is_none_for_these(small: Small) -> None:
    """Of a scope such as a priority class nobody can tell beforehand whether it counts them."""
    small.deploy()
    item = {"metadata": {"name": "batch"}, "spec": {"hard": {"pods": "0"}, "scopes": ["Terminating"]}}
    small.create("", "resourcequotas", item)
    assert looked(small)["cluster.quota"].verdict is Verdict.PASS


def test_a_release_that_makes_no_pod_beside_the_others_needs_no_room(small: Small) -> None:
    """With maxSurge 0, and with Recreate."""
    small.deploy()
    quota(small, {"pods": "2"}, {"pods": "2"})
    assert looked(small)["cluster.quota"].verdict is Verdict.FAIL
    for strategy in ({"type": "Recreate"}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}):
        small.patch("apps/v1", "deployments", NAME, {"spec": {"strategy": strategy}})
        wait_until(lambda: looked(small)["cluster.quota"].verdict is Verdict.PASS)


def test_a_namespace_that_is_terminating_fails(small: Small) -> None:
    """Nothing can be created in it any more."""
    small.deploy()
    status = {"status": {"phase": "Terminating"}}
    small.server.store.update("namespaces", "", small.name, lambda item: {**item, **status})
    result = looked(small)["cluster.namespace"]
    assert (result.verdict, result.observed) == (Verdict.FAIL, "namespace production is terminating")


@pytest.mark.parametrize("kind", ("StatefulSet", "DaemonSet"))
def test_another_kind_of_the_name_is_named(namespace: Namespace, kind: str) -> None:
    """Said as that, not as a wrong name."""
    template = {
        "metadata": {"labels": {"app": NAME}},
        "spec": {"containers": [{"name": "api", "image": namespace.images.first}]},
    }
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": NAME}}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = NAME
    item = {"kind": kind, "metadata": {"name": NAME}, "spec": spec}
    namespace.create("apps/v1", f"{kind.lower()}s", item)
    result = looked(namespace)[f"cluster.{NAME}"]
    assert (result.verdict, result.observed) == (Verdict.FAIL, f"is a {kind}, not a Deployment")
    assert f"-n {namespace.name}" in result.hint


def test_every_hint_with_kubectl_names_the_namespace(namespace: Namespace) -> None:
    """Paused and unfinished: the commands can be pasted as they are."""
    namespace.deploy()
    namespace.patch("apps/v1", "deployments", NAME, {"spec": {"paused": True}})
    wait_until(lambda: namespace.cluster.deployments()[NAME].paused)
    paused = looked(namespace)[f"cluster.{NAME}"]
    assert paused.hint == f"kubectl rollout resume deployment/{NAME} -n {namespace.name}"


@pytest.fixture
def config(small: Small, tmp_path: Path) -> Path:
    """A configuration for the small cluster, whose API is managed by Helm."""
    small.deploy(labels={"app.kubernetes.io/managed-by": "Helm"})
    path = tmp_path / "cartctl.toml"
    path.write_text(
        """
        [env.test.database]
        dsn = "postgresql://127.0.0.1:1/none"
        [env.test.cluster]
        kind = "kubernetes"
        namespace = "production"
        [env.test.release]
        api = { "payment-api.api" = "acme/api:2" }
        [env.test.http]
        api = "http://127.0.0.1:1"
        """
    )
    return path


def test_the_hint_about_an_owner_is_one_that_preflight_accepts(config: Path) -> None:
    """It fails, names --force-owned, and passes with it."""
    command = ["preflight", "--only", "cluster", "--config", str(config), "-o", "json"]
    refused = CliRunner().invoke(app, command)
    (failed,) = [one for one in json.loads(refused.stdout)["checks"] if one["verdict"] == "fail"]
    assert (refused.exit_code, failed["name"]) == (7, f"cluster.{NAME}")
    assert "belongs to Helm" in failed["observed"]
    assert "--force-owned" in failed["hint"]
    accepted = CliRunner().invoke(app, [*command, "--force-owned"])
    assert accepted.exit_code == 0, accepted.output


def preflight(env: Environment, **options: Any) -> Preflight:
    """The preflight of the cluster alone."""
    return Preflight(Ports(env), lambda: Pending((), (), ()), only=("cluster",), **options)


def test_each_printed_name_can_be_skipped(small: Small) -> None:
    """Every name of a result, and the whole; a name that no result has is refused with those there are."""
    small.deploy()
    env = environment()
    names = [one.name for one in preflight(env).judge(Pulse()).checks]
    assert f"cluster.{NAME}" in names
    for name in names:
        results = {one.name: one for one in preflight(env, skip={name: "known"}).judge(Pulse()).checks}
        assert (results[name].verdict, results[name].observed) == (Verdict.WARN, "skipped: known")
        assert {one.verdict for key, one in results.items() if key != name} == {Verdict.PASS}
    with pytest.raises(UsageError, match=r"Unknown preflight check cluster\.nothing") as wrong:
        preflight(env, skip={"cluster.nothing": "?"}).judge(Pulse())
    assert f"cluster.{NAME}" in wrong.value.hint


@pytest.mark.parametrize("name", ("migrations", "migrations.ledger", "window", "signoff"))
def test_migrations_window_and_signoffs_are_never_skipped(small: Small, name: str) -> None:
    """Exit code 2, before anything is asked."""
    with pytest.raises(UsageError, match="cannot be skipped"):
        preflight(environment(), skip={name: "no time"})
