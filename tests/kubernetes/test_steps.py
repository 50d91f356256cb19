"""Steps and checks that know a cluster by more than its protocol: maintenance through the Service, the preflight's questions."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.checks.preflight.cluster import check_cluster, is_loose
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.steps.maintenance import Maintenance, MaintenanceProbe
from tests.kubernetes.fixture import Small
from tests.kubernetes.test_cluster_adapter import cronjob
from tests.web import Reply, serve


@dataclass
class Application:
    """Pods that obey the ConfigMap once they have been touched: a kubelet that looks only when it is told to."""

    small: Small
    obeys: bool = True

    def __call__(self, pod: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        """What one pod answers."""
        meta = self.small.server.store.get("pods", "production", pod)["metadata"]
        touched = "cartctl.io/touched" in (meta.get("annotations") or {})
        on = "MAINTENANCE" in self.small.cluster.settings("cart-runtime")
        closed = on and touched and self.obeys
        return (503, {"Retry-After": "30"}, "closed") if closed else (200, {}, "open")


def maintenance(small: Small, front: Http | None, *, timeout: float = 5.0) -> Maintenance:
    """Maintenance mode of payment-api."""
    probe = MaintenanceProbe(("payment-api",), "/api/products", "/api/auth/session", "secret", front)
    return Maintenance(
        "maintenance.on",
        ("cart-runtime/MAINTENANCE",),
        small.cluster,
        probe=probe,
        timeout=timeout,
        limit=timedelta(minutes=5),
    )


def test_maintenance_arrives_because_the_pods_are_touched_and_each_is_queried(small: Small) -> None:
    """Every pod answers 503 with Retry-After, the admin's way is asked of the API, and off is off again."""
    small.deploy()
    small.server.proxy = Application(small)
    with serve(lambda _: Reply({})) as web:
        step = maintenance(small, Http(web.url, token="secret"))
        before = step.observe(step.names)
        step.move(step.target(before), Pulse())
        assert "MAINTENANCE" in small.cluster.settings("cart-runtime")
        assert web.requests[0].headers["authorization"] == "Bearer secret"
        step.move(before, Pulse())
    assert small.cluster.settings("cart-runtime") == {}


def test_admins_that_are_not_served_keep_maintenance_from_counting_as_on(small: Small) -> None:
    """The pods obey, the API refuses the admin: time runs out."""
    small.deploy()
    small.server.proxy = Application(small)
    with serve(lambda _: Reply({}, 503)) as web:
        step = maintenance(small, Http(web.url, token="secret"), timeout=0.7)
        to = step.target(step.observe(step.names))
        with pytest.raises(TimedOut, match="Maintenance on in every pod"):
            step.move(to, Pulse())


def test_a_pod_that_does_not_obey_keeps_maintenance_from_counting_as_on(small: Small) -> None:
    """Each is asked by itself, whatever a Service would choose."""
    small.deploy()
    small.server.proxy = Application(small, obeys=False)
    step = maintenance(small, None, timeout=0.7)
    to = step.target(step.observe(step.names))
    with pytest.raises(TimedOut, match="Maintenance on in every pod"):
        step.move(to, Pulse())


def environment(**cluster: Any) -> Environment:
    """An environment on a cluster that releases payment-api."""
    return Environment.model_validate({
        "name": "production",
        "database": {"dsn": {"env": "CART_DSN"}},
        "cluster": {"kind": "kubernetes", "namespace": "production", **cluster},
        "release": {"api": {"payment-api.api": "acme/api:2"}},
        "http": {"api": "https://api.example.com"},
    })  # fmt: skip


def looked(small: Small, env: Environment, images: dict[str, str] | None = None) -> dict[str, CheckResult]:
    """The preflight's look at the cluster, by name."""
    return {one.name: one for one in check_cluster(small.cluster, env, images or {})}


def test_the_preflight_passes_where_all_is_there(small: Small) -> None:
    """Reachable, permitted, whole; the CronJob exists; the image has a tag."""
    small.deploy()
    small.create("batch/v1", "cronjobs", cronjob())
    result = looked(small, environment(workers={"cronjobs": ["recovery"]}))
    assert {one.verdict for one in result.values()} == {Verdict.PASS}
    assert {"cluster.permissions", "cluster.payment-api", "cluster.cronjob.recovery"} <= set(result)


def test_the_preflight_names_what_is_missing(small: Small) -> None:
    """Verbs, CronJobs, and an image without tag or digest, which is a warning."""
    small.deploy()
    small.server.denied.add(("patch", "deployments"))
    result = looked(small, environment(workers={"cronjobs": ["recovery"]}), {"payment-api": "acme/api"})
    assert result["cluster.permissions"].observed == "may not patch deployments.apps"
    assert result["cluster.permissions"].verdict is Verdict.FAIL
    assert result["cluster.cronjob.recovery"].verdict is Verdict.FAIL
    assert (result["cluster.images"].verdict, "acme/api" in str(result["cluster.images"].observed)) == (
        Verdict.WARN,
        True,
    )


@pytest.mark.parametrize(
    ("ref", "loose"),
    (
        ("acme/api", True),
        ("acme/api:latest", True),
        ("registry.test:5000/acme/api", True),
        ("registry.test:5000/acme/api:2", False),
        ("acme/api:2", False),
        ("acme/api@sha256:ab", False),
    ),
)
def test_a_reference_is_loose_without_tag_and_digest(ref: str, loose: bool) -> None:
    """A registry's port is no tag."""
    assert is_loose(ref) is loose
