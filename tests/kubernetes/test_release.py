"""Releases in a cluster: what is set, when it counts as done, what ends it early, how it is taken back."""

import re
import threading
import time
from collections import Counter
from typing import Any

import pytest

from cartctl.adapters.cluster import Image, UnknownDeployment
from cartctl.adapters.kubernetes.client.transport import JSON_PATCH
from cartctl.engine.evidence import dump, guard_revert, load
from cartctl.engine.model import Evidence
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import CartctlError, Refused, StepFailed
from cartctl.steps.release import Release
from cartctl.steps.release_wait import RolloutFailed
from cartctl.steps.replicas import Replicas
from tests.kubernetes.fixture import Namespace, Played, Small, deployment, wait_until

API = "payment-api.api"
CAUSE = "kubernetes.io/change-cause"


def release(namespace: Namespace, expected: dict[str, str], *, timeout: float | None = None) -> Release:
    """A release of these images."""
    limit = namespace.seconds if timeout is None else timeout
    return Release(
        "release.api",
        tuple(expected),
        namespace.cluster,
        timeout=limit,
        images=expected,
    )


def carry_out(change: Release) -> Evidence:
    """Observe, intend, move: the evidence that a journal would hold."""
    before = change.observe(change.names)
    to = change.target(before)
    evidence = Evidence(change.kind, change.names, dump(change, before), (dump(change, to),))
    change.move(to, Pulse())
    return evidence


def roll_back(namespace: Namespace, evidence: Evidence) -> list[str]:
    """As the runner reverts: from evidence alone, guarded. Returns the remarks about what is kept."""
    back = Release("release.api", evidence.names, namespace.cluster, timeout=namespace.seconds)
    remarks = guard_revert(back, evidence)
    back.move(load(back, evidence.before), Pulse())
    return remarks


def test_a_release_sets_the_image_and_its_cause_and_runs_everywhere(namespace: Namespace) -> None:
    """Image and change-cause change, nothing else of the template; every pod runs it when the step returns."""
    namespace.deploy()
    before = namespace.item("apps/v1", "deployments", "payment-api")
    carry_out(release(namespace, {API: namespace.images.second}))
    now = namespace.item("apps/v1", "deployments", "payment-api")
    assert now["metadata"]["annotations"][CAUSE] == f"cartctl: release.api {namespace.images.second}"
    before["spec"]["template"]["spec"]["containers"][0]["image"] = namespace.images.second
    assert now["spec"] == before["spec"]
    pods = [pod for pod in namespace.cluster.pods("payment-api") if not pod.ending]
    assert [pod.images["api"].ref for pod in pods] == [namespace.images.second] * 2
    assert all(pod.ready for pod in pods)


def test_rolled_back_it_runs_what_ran_before_and_twice_changes_nothing(namespace: Namespace) -> None:
    """The former image is back by reference and digest; a second time there is no new generation."""
    namespace.deploy()
    (first,) = {pod.images["api"].digest for pod in namespace.cluster.pods("payment-api") if not pod.ending}
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    roll_back(namespace, evidence)
    running = [pod for pod in namespace.cluster.pods("payment-api") if not pod.ending]
    assert {pod.images["api"] for pod in running} == {Image(namespace.images.first)}
    assert {pod.images["api"].digest for pod in running} == {first}
    generation = namespace.item("apps/v1", "deployments", "payment-api")["metadata"]["generation"]
    roll_back(namespace, evidence)
    assert namespace.item("apps/v1", "deployments", "payment-api")["metadata"]["generation"] == generation


def test_scaling_in_between_is_kept_by_a_revert(namespace: Namespace) -> None:
    """A release sets images: its revert goes over more replicas, and says nothing about them."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    namespace.cluster.set_capacity("deployment/payment-api", 3)
    assert roll_back(namespace, evidence) == []
    assert namespace.cluster.capacity(["deployment/payment-api"]) == {"deployment/payment-api": 3}


def test_a_restart_by_kubectl_stands_in_no_undos_way(namespace: Namespace) -> None:
    """`kubectl rollout restart` asks for the same pods again."""
    namespace.deploy()
    evidence = carry_out(release(namespace, {API: namespace.images.second}))
    meta = {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}
    patch = {"spec": {"template": {"metadata": meta}}}
    namespace.patch("apps/v1", "deployments", "payment-api", patch)
    assert roll_back(namespace, evidence) == []
    assert namespace.refs() == {"api": namespace.images.first}


def test_an_upgrade_of_the_api_server_stands_in_no_undos_way(small: Small) -> None:
    """An old one gives a template a creationTimestamp, which is null; a new one gives it none."""
    item = deployment("payment-api", small.images.first, 1)
    item["spec"]["template"]["metadata"]["creationTimestamp"] = None
    small.create("apps/v1", "deployments", item)
    small.settle()
    evidence = carry_out(release(small, {API: small.images.second}))
    patch = [{"op": "remove", "path": "/spec/template/metadata/creationTimestamp"}]
    path = small.cluster.api.path("apps/v1", "deployments", "payment-api")
    small.cluster.api.send("PATCH", path, patch, content=JSON_PATCH)
    assert roll_back(small, evidence) == []
    assert small.refs() == {"api": small.images.first}


def test_a_tag_that_moved_is_reverted_by_its_digest(played: Played) -> None:
    """The old tag stands for another image by now: the undo names the digest that ran, and stays a no-op afterwards."""
    played.deploy()
    digest = played.cluster.pods("payment-api")[0].images["api"].digest
    evidence = carry_out(release(played, {API: "acme/api:2"}))
    played.nodes.digests["acme/api:1"] = "sha256:" + "f" * 64
    roll_back(played, evidence)
    assert played.refs() == {"api": f"acme/api@{digest}"}
    generation = played.item("apps/v1", "deployments", "payment-api")["metadata"]["generation"]
    roll_back(played, evidence)
    assert played.item("apps/v1", "deployments", "payment-api")["metadata"]["generation"] == generation


def test_a_digest_that_does_not_run_turns_the_release_red(played: Played) -> None:
    """WebRequest for by digest, the pods tell another one."""
    played.deploy()
    expected = "acme/api@sha256:" + "1" * 64
    played.nodes.digests[expected] = "sha256:" + "2" * 64
    with pytest.raises(StepFailed, match="not acme/api@sha256:1"):
        carry_out(release(played, {API: expected}))


def test_several_deployments_roll_out_at_once(namespace: Namespace) -> None:
    """Two deployments of one release are both asked before either is awaited."""
    namespace.deploy("payment-api", replicas=1)
    namespace.deploy("job-worker", replicas=1)
    carry_out(release(namespace, {API: namespace.images.second, "job-worker.api": namespace.images.second}))
    assert namespace.refs("payment-api") == namespace.refs("job-worker") == {"api": namespace.images.second}


@pytest.mark.parametrize(
    ("reason", "expected"),
    (
        ("CrashLoopBackOff", "exited with 1"),
        ("ImagePullBackOff", "as the test wants it"),
        ("ErrImagePull", "as the test wants it"),
        ("CreateContainerConfigError", "container api"),
    ),
)
def test_what_cannot_get_ready_fails_fast_with_the_last_lines(
    small: Small, reason: str, expected: str
) -> None:
    """Long before the time limit: the kubelet's reason, its message, and the failing container's own words."""
    small.deploy()
    small.controller.bad["acme/api:bad"] = reason
    small.server.logs = lambda _pod, _container, previous: [("2026-01-01T00:00:00Z", f"boom {previous}")]
    began = time.monotonic()
    with pytest.raises(RolloutFailed, match=reason) as failed:
        carry_out(release(small, {API: "acme/api:bad"}))
    assert time.monotonic() - began < 15
    assert expected in failed.value.message
    assert "boom" in failed.value.message
    assert sum(pod.ready for pod in small.cluster.pods("payment-api")) == 2


def test_an_image_that_cannot_be_pulled_fails_fast(namespace: Namespace) -> None:
    """The old pods serve on."""
    if isinstance(namespace, Played):
        namespace.nodes.bad[namespace.images.broken] = "ErrImagePull"
    namespace.deploy()
    with pytest.raises(RolloutFailed, match=r"ErrImagePull|ImagePullBackOff"):
        carry_out(release(namespace, {API: namespace.images.broken}))
    assert sum(pod.ready for pod in namespace.cluster.pods("payment-api")) == 2


@pytest.mark.parametrize("reason", ("Unschedulable", "quota"))
def test_what_may_pass_is_given_a_moment_and_then_fails(
    small: Small, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """No node, and no quota, are failures only when they last."""
    monkeypatch.setattr("cartctl.adapters.kubernetes.workloads.failures.GRACE", 0.4)
    small.deploy()
    if reason == "quota":
        small.controller.quota = 2
    small.controller.bad["acme/api:bad"] = reason
    began = time.monotonic()
    with pytest.raises(RolloutFailed, match=r"Unschedulable: 0/3|FailedCreate: .*exceeded quota"):
        carry_out(release(small, {API: "acme/api:bad"}))
    assert time.monotonic() - began >= 0.4


def test_a_pod_that_is_never_ready_ends_at_the_time_limit(played: Played) -> None:
    """The time limit's error names the pod, what it waits for and the probe that fails; old replicas do not count."""
    played.deploy(replicas=3)
    played.nodes.bad["acme/api:bad"] = "NeverReady"
    seen: list[tuple[float, float]] = []
    pulse = Pulse(progress=lambda done, total, _unit: seen.append((done, total)))
    change = release(played, {API: "acme/api:bad"}, timeout=4.0 if isinstance(played, Small) else 15.0)
    to = change.target(change.observe(change.names))
    threading.Thread(target=_fail_probes, args=(played,), daemon=True).start()
    with pytest.raises(
        TimedOut, match="payment-api has 0 of 3 replicas of the new revision available"
    ) as late:
        change.move(to, pulse)
    assert "container api is running but not ready" in late.value.message
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in late.value.message
    assert re.search(r"pod payment-api-\S+: ", late.value.message)
    assert set(seen) == {(0, 3)}


def _fail_probes(played: Played) -> None:
    """As the kubelet tells of a readiness probe that fails, once the new pod is there."""

    def new() -> list[dict[str, Any]]:
        pods, _ = played.cluster.api.listing(played.cluster.api.path("", "pods"))
        return [pod for pod in pods if pod["spec"]["containers"][0]["image"] == "acme/api:bad"]

    wait_until(new)
    for pod in new():
        meta = pod["metadata"]
        involved = {"kind": "Pod", "name": meta["name"], "namespace": played.name, "uid": meta["uid"]}
        event = {
            "metadata": {"name": f"{meta['name']}.1"},
            "involvedObject": involved,
            "reason": "Unhealthy",
            "type": "Warning",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
        }
        played.create("", "events", event)


def test_a_time_limit_shows_the_last_lines_of_the_log(small: Small) -> None:
    """Of the container that is not ready, not of those that serve."""
    small.deploy()
    small.controller.bad["acme/api:bad"] = "NeverReady"
    small.server.logs = lambda pod, _container, _previous: [("2026-01-01T00:00:00Z", f"waiting for {pod}")]
    with pytest.raises(TimedOut) as late:
        carry_out(release(small, {API: "acme/api:bad"}, timeout=1.0))
    (new,) = [pod.name for pod in small.cluster.pods("payment-api") if not pod.ready]
    assert [line for line in late.value.message.splitlines() if "waiting for" in line] == [
        f"  waiting for {new}"
    ]


def test_a_deployment_that_is_paused_during_its_rollout_ends_the_wait(played: Played) -> None:
    """At once and not at the time limit, with the command that resumes it."""
    namespace = played
    namespace.deploy()
    namespace.nodes.bad[namespace.images.second] = "NeverReady"
    change = release(namespace, {API: namespace.images.second})
    to = change.target(change.observe(change.names))

    def pause() -> None:
        wait_until(lambda: namespace.refs() == {"api": namespace.images.second})
        namespace.patch("apps/v1", "deployments", "payment-api", {"spec": {"paused": True}})

    threading.Thread(target=pause, daemon=True).start()
    with pytest.raises(RolloutFailed, match="payment-api was paused during its release") as stopped:
        change.move(to, Pulse())
    assert stopped.value.hint == f"kubectl rollout resume deployment/payment-api -n {namespace.name}"


def test_a_paused_deployment_can_be_sized(namespace: Namespace) -> None:
    """A revert of a size is not kept from its end by a pause."""
    namespace.deploy()
    namespace.patch("apps/v1", "deployments", "payment-api", {"spec": {"paused": True}})
    names = ("deployment/payment-api",)
    sizes = Replicas("prewarm", names, namespace.cluster, timeout=namespace.seconds, drain=5.0)
    sizes.move({names[0]: 3}, Pulse())
    assert sum(pod.ready for pod in namespace.cluster.pods("payment-api")) == 3


def test_a_progress_deadline_that_is_over_is_reported(small: Small) -> None:
    """The controller's own verdict ends the wait."""
    small.deploy()
    small.controller.stop()
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "too long",
    }
    status = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}

    def stuck(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "status": {**status, "conditions": [condition]}}

    change = release(small, {API: "acme/api:2"})
    before = change.observe(change.names)
    small.cluster.set_images("payment-api", {"api": "acme/api:2"}, cause="test")
    small.server.store.update("deployments", "production", "payment-api", stuck)
    with pytest.raises(RolloutFailed, match="ProgressDeadlineExceeded: too long"):
        change.move(change.target(before), Pulse())


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    (
        ("payment-api.sidecar", UnknownDeployment, "no container sidecar"),
        ("checkout.api", UnknownDeployment, "Deployment checkout not found"),
    ),
)
def test_what_does_not_exist_is_named(
    namespace: Namespace, name: str, error: type[CartctlError], expected: str
) -> None:
    """A wrong container or deployment is a usage error, and nothing has changed."""
    namespace.deploy()
    with pytest.raises(error, match=expected) as refused:
        carry_out(release(namespace, {name: namespace.images.second}))
    assert (refused.value.exit_code, namespace.refs()) == (2, {"api": namespace.images.first})


def test_a_paused_deployment_is_refused_with_the_command_that_resumes_it(namespace: Namespace) -> None:
    """It would take the image and roll nothing out."""
    namespace.deploy()
    namespace.patch("apps/v1", "deployments", "payment-api", {"spec": {"paused": True}})
    wait_until(lambda: namespace.cluster.deployments()["payment-api"].paused)
    with pytest.raises(Refused, match="paused") as refused:
        carry_out(release(namespace, {API: namespace.images.second}))
    assert "kubectl rollout resume deployment/payment-api" in refused.value.hint
    with pytest.raises(Refused, match="paused"):
        namespace.cluster.set_images("payment-api", {"api": namespace.images.second}, cause="late")


@pytest.mark.parametrize(
    ("meta", "owner", "command"),
    (
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:p/x"}},
            r"Argo CD \(shop\)",
            "argocd app set shop",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux", "flux suspend kustomization apps"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "Flux", "flux suspend helmrelease shop"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm", "helm history shop"),
    ),
)
def test_what_another_tool_keeps_is_refused_with_the_command_that_pauses_it(
    namespace: Namespace, meta: dict[str, Any], owner: str, command: str
) -> None:
    """Unless a person has paused it and says so."""
    namespace.deploy(**meta)
    with pytest.raises(Refused, match=owner) as refused:
        carry_out(release(namespace, {API: namespace.images.second}))
    assert command in refused.value.hint
    assert "--force-owned" in refused.value.hint
    namespace.cluster._workloads._force_owned = True
    carry_out(release(namespace, {API: namespace.images.second}))


def test_a_deployment_deleted_during_its_rollout_is_reported(small: Small) -> None:
    """The wait ends at once, with its name."""
    small.deploy()
    small.controller.bad["acme/api:bad"] = "NeverReady"
    change = release(small, {API: "acme/api:bad"})
    before = change.observe(change.names)
    small.cluster.set_images("payment-api", {"api": "acme/api:bad"}, cause="test")
    small.controller.stop()
    small.server.store.delete("deployments", "production", "payment-api")
    with pytest.raises(UnknownDeployment, match="payment-api"):
        change.move(change.target(before), Pulse())


def test_a_mirror_that_rewrites_the_pods_reference_is_no_other_image(played: Played) -> None:
    """Admission may let the pods pull from elsewhere: the replica set says what was asked for."""
    played.deploy()
    for pod in played.cluster.api.listing(played.cluster.api.path("", "pods"))[0]:
        rewritten = {**pod["spec"]["containers"][0], "image": "mirror.test/acme/api:1"}
        played.patch("", "pods", pod["metadata"]["name"], {"spec": {"containers": [rewritten]}})
    assert {pod.images["api"].ref for pod in played.cluster.pods("payment-api")} == {"acme/api:1"}


def test_fifty_deployments_are_one_list_and_one_watch(small: Small) -> None:
    """However many are awaited, the server sees a list and a watch per kind, and no thread stands for a pod."""
    small.controller.stop()
    names = [f"api-{at}" for at in range(50)]
    for name in names:
        small.create("apps/v1", "deployments", deployment(name, "acme/api:1", 1))
    _finish(small, names[:40])
    change = release(small, {f"{name}.api": "acme/api:2" for name in names}, timeout=60)
    small.server.requests.clear()
    change._set_images(dict.fromkeys(change.names, "acme/api:2"))
    rest = threading.Thread(target=_finish, args=(small, names, 0.02))
    rest.start()
    threads = threading.active_count()
    change._await(change.names, Pulse())
    rest.join()
    result = Counter((request.verb, request.resource) for request in small.server.requests)
    assert result["patch", "deployments"] == 50
    assert result["list", "deployments"] <= 2
    assert result["watch", "deployments"] <= 2
    assert threads < 30


def _finish(small: Small, names: list[str], pause: float = 0.0) -> None:
    """Let deployments be complete, one after the other."""

    def done(item: dict[str, Any]) -> dict[str, Any]:
        count = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
        return {**item, "status": {"observedGeneration": item["metadata"]["generation"], **count}}

    for name in names:
        time.sleep(pause)
        small.server.store.update("deployments", "production", name, done)
