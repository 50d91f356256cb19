"""Sizes, settings, answers, logs and the lease of a cluster."""

import threading
import time
from typing import Any

import pytest

from cartctl.adapters import effects
from cartctl.adapters.cluster import ClusterUnreachable, Pod, SettingsChanged, UnknownDeployment
from cartctl.adapters.kubernetes.lease import Lease
from cartctl.adapters.kubernetes.workloads.workloads import selector
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import Locked, Refused
from cartctl.steps.replicas import Replicas
from tests.kubernetes.fixture import Namespace, Small, deployment, wait_until

API, HPA, CRON = "deployment/payment-api", "hpa/payment-api", "cronjob/recovery"


def autoscaler(least: int, most: int, **labels: str) -> dict[str, Any]:
    """An autoscaler of payment-api under a name of its own."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "payment-api"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "api-hpa", "labels": labels},
        "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": [metric]},
    }


def cronjob() -> dict[str, Any]:
    """A CronJob that never comes due by itself."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "registry.k8s.io/pause:3.9"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "recovery"},
        "spec": {"schedule": "0 0 29 2 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }


def sizes(namespace: Namespace, names: tuple[str, ...], size: int, *, drain: float = 60.0) -> Replicas:
    """A step that asks for one size of all."""
    return Replicas(
        "sizes", names, namespace.cluster, timeout=namespace.seconds, drain=drain, new_size=lambda *_: size
    )


def test_replicas_go_up_and_back(namespace: Namespace) -> None:
    """A deployment without an autoscaler is sized by itself; the step returns when its pods are there."""
    namespace.deploy(replicas=1)
    assert namespace.cluster.scalers(["payment-api"]) == [API]
    step = sizes(namespace, (API,), 3)
    step.move(step.target(step.observe((API,))), Pulse())
    assert namespace.cluster.capacity([API]) == {API: 3}
    assert sum(pod.ready for pod in namespace.cluster.pods("payment-api")) == 3
    step.move({API: 1}, Pulse())
    assert namespace.cluster.capacity([API]) == {API: 1}


def test_an_autoscalers_minimum_is_raised_and_its_replicas_awaited(namespace: Namespace) -> None:
    """Named by its deployment; the step returns when the autoscaler has asked for them and they are there."""
    namespace.deploy(replicas=1)
    namespace.create("autoscaling/v2", "horizontalpodautoscalers", autoscaler(1, 4))
    assert namespace.cluster.scalers(["payment-api"]) == [HPA]
    step = sizes(namespace, (HPA,), 3)
    assert step.observe((HPA,)) == {HPA: 1}
    step.move({HPA: 3}, Pulse())
    assert sum(pod.ready for pod in namespace.cluster.pods("payment-api")) == 3
    step.move({HPA: 1}, Pulse())
    assert step.observe((HPA,)) == {HPA: 1}
    with pytest.raises(Refused, match="at most 4 replicas, not 5"):
        namespace.cluster.set_capacity(HPA, 5)


def test_an_autoscaler_that_takes_its_time_is_waited_for(small: Small) -> None:
    """It looks only every few seconds: until then the deployment is complete with too few replicas."""
    small.deploy(replicas=1)
    small.create("autoscaling/v2", "horizontalpodautoscalers", autoscaler(1, 4))
    small.controller.stop()
    threading.Timer(0.5, small.controller.start).start()
    sizes(small, (HPA,), 3).move({HPA: 3}, Pulse())
    assert sum(pod.ready for pod in small.cluster.pods("payment-api")) == 3


def test_keda_is_recognised_and_named(namespace: Namespace) -> None:
    """A deployment that KEDA scales is somebody else's."""
    namespace.create(
        "autoscaling/v2",
        "horizontalpodautoscalers",
        autoscaler(1, 4, **{"scaledobject.keda.sh/name": "shop"}),
    )
    namespace.deploy(replicas=1)
    result = namespace.cluster.deployments()["payment-api"]
    assert result.owner == "KEDA (scaledobject shop)"
    assert "autoscaling.keda.sh/paused=true" in result.pause


def test_workers_go_to_nothing_and_a_cronjob_is_suspended(namespace: Namespace) -> None:
    """When the step returns no pod is left, ending ones included; back they are as they were."""
    namespace.deploy()
    namespace.create("batch/v1", "cronjobs", cronjob())
    step = sizes(namespace, (API, CRON), 0)
    before = step.observe((API, CRON))
    assert before == {API: 2, CRON: 1}
    step.move({API: 0, CRON: 0}, Pulse())
    assert namespace.cluster.running(API) == namespace.cluster.running(CRON) == 0
    assert namespace.item("batch/v1", "cronjobs", "recovery")["spec"]["suspend"] is True
    step.move(before, Pulse())
    assert step.observe((API, CRON)) == before


def test_a_job_in_flight_is_waited_for_within_the_drain_time(small: Small) -> None:
    """Between two attempts a Job has no pod, and is in flight all the same."""
    small.create("batch/v1", "cronjobs", cronjob())
    owner = small.item("batch/v1", "cronjobs", "recovery")
    reference = {"kind": "CronJob", "name": "recovery", "uid": owner["metadata"]["uid"], "controller": True}
    small.create(
        "batch/v1", "jobs", {"metadata": {"name": "j", "ownerReferences": [reference]}, "status": {}}
    )
    step = sizes(small, (CRON,), 0, drain=0.3)
    with pytest.raises(TimedOut, match="Draining cronjob/recovery"):
        step.move({CRON: 0}, Pulse())
    done = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    threading.Timer(0.2, small.patch, ("batch/v1", "jobs", "j", done)).start()
    sizes(small, (CRON,), 0, drain=5).move({CRON: 0}, Pulse())


def test_a_pod_that_was_evicted_is_not_waited_for(small: Small) -> None:
    """It stays in the list until somebody removes it."""
    small.deploy(replicas=1)
    small.controller.stop()
    pod = small.cluster.pods("payment-api")[0]
    small.patch("", "pods", pod.name, {"status": {"phase": "Failed"}})
    assert small.cluster.pods("payment-api") == []


def test_what_has_no_size_is_named(namespace: Namespace) -> None:
    """Unknown kinds and names are usage errors."""
    for name in ("pod/x", "deployment/", "cronjob/none", "hpa/none", "deployment/none"):
        with pytest.raises(UnknownDeployment):
            namespace.cluster.capacity([name])


def test_settings_are_keys_beside_other_keys(namespace: Namespace) -> None:
    """Created when missing, written and removed by key, others untouched."""
    cluster = namespace.cluster
    assert cluster.settings("cart-runtime") == {}
    cluster.put_settings("cart-runtime", {"A": "1", "B": "zwei\n"})
    cluster.put_settings("cart-runtime", {"A": None, "C": ""})
    assert cluster.settings("cart-runtime") == {"B": "zwei\n", "C": ""}
    cluster.put_settings("cart-runtime", {"B": "2"}, expected={"B": "zwei\n"})
    with pytest.raises(SettingsChanged, match="cart-runtime/B"):
        cluster.put_settings("cart-runtime", {"B": "3"}, expected={"B": "zwei\n"})


def test_a_write_that_another_one_overtook_is_made_again(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it is the creation that was overtaken: neither write is lost."""
    overtaken: list[str] = []

    def overtake(name: str, moment: str) -> None:
        if (name, moment) == ("cluster.put_settings", "before") and len(overtaken) < 4:
            overtaken.append(name)
            if len(overtaken) % 2:
                namespace.cluster.put_settings("cart-runtime", {f"theirs-{len(overtaken)}": "1"})

    monkeypatch.setattr(effects, "probe", overtake)
    namespace.cluster.put_settings("cart-runtime", {"mine": "1"})
    namespace.cluster.put_settings("cart-runtime", {"mine": "2"})
    assert namespace.cluster.settings("cart-runtime") == {"mine": "2", "theirs-1": "1", "theirs-3": "1"}


def test_what_was_seen_holds_until_the_write_itself(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that changes between the look and the write is not overwritten."""
    namespace.cluster.put_settings("cart-runtime", {"A": "1"})
    done: list[int] = []

    def overtake(name: str, moment: str) -> None:
        if (name, moment) == ("cluster.put_settings", "before") and not done:
            done.append(1)
            namespace.cluster.put_settings("cart-runtime", {"A": "theirs"})

    monkeypatch.setattr(effects, "probe", overtake)
    with pytest.raises(SettingsChanged, match="cart-runtime/A"):
        namespace.cluster.put_settings("cart-runtime", {"A": "2"}, expected={"A": "1"})
    assert namespace.cluster.settings("cart-runtime") == {"A": "theirs"}


def test_only_pods_that_mount_a_setting_are_touched(namespace: Namespace) -> None:
    """The annotation makes the kubelet look again; no pod is replaced for it."""
    namespace.deploy()
    before = {pod.name for pod in namespace.cluster.pods("payment-api")}
    namespace.cluster.hasten("cart-runtime")
    pods, _ = namespace.cluster.api.listing(namespace.cluster.api.path("", "pods"))
    touched = [
        pod["metadata"]["name"]
        for pod in pods
        if "cartctl.io/touched" in (pod["metadata"].get("annotations") or {})
    ]
    assert set(touched) == before
    namespace.cluster.hasten("another")
    assert {pod.name for pod in namespace.cluster.pods("payment-api")} == before


def test_a_pod_is_queried_through_the_api_server(small: Small) -> None:
    """Its own status, headers and body come back, a 503 too; a token for the application is never sent to the API server."""
    small.deploy()
    seen: list[tuple[str, str, dict[str, str]]] = []

    def answer(pod: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        seen.append((pod, path, headers))
        return 503, {"Retry-After": "30"}, "closed"

    small.server.proxy = answer
    pod = small.cluster.pods("payment-api")[0]
    result = small.cluster.ask(pod, "/api/products", {"x-test": "1", "authorization": "Bearer application"})
    assert (result.status, result.headers["retry-after"], result.body) == (503, "30", "closed")
    assert (seen[0][:2], seen[0][2]["x-test"]) == ((pod.name, "/api/products"), "1")
    assert f"{pod.name}:8080/proxy/api/products" in small.server.requests[-1].path
    gone = Pod("gone", "payment-api", ready=True, images={})
    with pytest.raises(ClusterUnreachable, match="does not respond"):
        small.cluster.ask(gone, "/", {})


def test_logs_are_read_on_over_a_restart(small: Small) -> None:
    """Every line once: those before the restart from the previous container, those after it from the new one."""
    small.deploy(replicas=1)
    small.controller.stop()
    logs = {False: [("2026-01-01T00:00:01.100000000Z", "one")], True: []}
    small.server.logs = lambda _pod, _container, previous: list(logs[previous])
    tail = small.cluster.tail("app=payment-api", since=60)
    assert [line.text for line in tail.read()] == ["one"]
    logs[False].append(("2026-01-01T00:00:01.200000000Z", "two"))
    assert [line.text for line in tail.read()] == ["two"]
    logs[True] = [*logs[False], ("2026-01-01T00:00:02.000000000Z", "dying")]
    logs[False] = [("2026-01-01T00:00:03.000000000Z", "new")]
    pod = small.server.store.list("pods", "production")[0]
    messages = {**pod["status"]["containerStatuses"][0], "restartCount": 1}
    small.patch("", "pods", pod["metadata"]["name"], {"status": {"containerStatuses": [messages]}})
    assert [line.text for line in tail.read()] == ["dying", "new"]
    assert tail.read() == []


def test_the_lease_is_held_by_one_named_and_freed(namespace: Namespace) -> None:
    """A second one is refused by name while the first renews; afterwards it is free at once."""
    api = namespace.cluster.api
    with (
        Lease(api, duration=60, renew=0.3).hold("run R1 of ada"),
        pytest.raises(Locked, match="run R1 of ada"),
        Lease(api, duration=3, renew=0.3).hold("R2"),
    ):
        pytest.fail("held twice")
    began = time.monotonic()
    with Lease(api).hold("R2"):
        assert time.monotonic() - began < 50


def test_a_dead_holders_lease_falls_after_its_duration(namespace: Namespace) -> None:
    """Seen unchanged for its whole duration on the own clock it may be taken; not before."""
    lease = Lease(namespace.cluster.api, duration=1, renew=0.2)
    assert lease._write(None, "dead")
    began = time.monotonic()
    with lease.hold("R2"):
        assert 0.9 <= time.monotonic() - began < 60
        held = namespace.item("coordination.k8s.io/v1", "leases", "cartctl")["spec"]
        assert (held["holderIdentity"], held["leaseTransitions"]) == ("R2", 1)


def test_a_selector_is_written_as_a_query_takes_it() -> None:
    """Labels and expressions."""
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    result = selector({"matchLabels": {"app": "api"}, "matchExpressions": expressions})
    assert result == "app=api,a in (x,y),b notin (z),c,!d"


def test_a_new_deployment_is_seen_by_a_watch_that_stands(namespace: Namespace) -> None:
    """And one that was removed is gone."""
    namespace.deploy(replicas=1)
    namespace.create("apps/v1", "deployments", deployment("late", namespace.images.first, 1))
    wait_until(lambda: "late" in namespace.cluster.deployments())
    namespace.cluster.api.send("DELETE", namespace.cluster.api.path("apps/v1", "deployments", "late"))
    wait_until(lambda: "late" not in namespace.cluster.deployments())
