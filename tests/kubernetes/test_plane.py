"""What a real API server answers, and what happens when it dies or forgets. Skipped where none was given."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterRefused
from cartctl.adapters.kubernetes.client.transport import JSON_PATCH, MERGE_PATCH
from cartctl.adapters.kubernetes.cluster import Kubernetes
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import ConfigError
from cartctl.steps.release_wait import RolloutFailed
from tests.kubernetes.fixture import Played, deployment, wait_until
from tests.kubernetes.node import Node
from tests.kubernetes.plane import Plane
from tests.kubernetes.test_cluster_adapter import CRON, cronjob, sizes
from tests.kubernetes.test_release import API, carry_out, release
from tests.kubernetes.test_role import RUNBOOKS

NAME = "payment-api"
LATER = {"ttlSecondsAfterFinished", "timeZone"}  # fields that servers before 1.23 and 1.27 do not know
Item = dict[str, Any]


@pytest.fixture
def real(played: Played, kubeconfig: Path | None) -> Played:
    """A namespace of a real API server whose pods are played."""
    if kubeconfig is None:
        pytest.skip("needs a real API server")
    return played


def test_an_api_server_that_is_killed_in_mid_rollout_is_waited_for(real: Played, plane: Plane) -> None:
    """It is gone for 20 s, its watches with it; the rollout is taken up where it stands."""
    real.deploy()
    real.nodes.startup = 2.0

    def be_gone() -> None:
        plane.stop_api_server()
        time.sleep(20)
        plane.start_api_server()

    timer = threading.Timer(1.0, be_gone)
    timer.start()
    carry_out(release(real, {API: "acme/api:2"}, timeout=180))
    timer.join()
    pods = [pod for pod in real.cluster.pods(NAME) if not pod.ending]
    assert [pod.images["api"].ref for pod in pods] == ["acme/api:2"] * 2


def test_a_version_that_etcd_has_forgotten_means_a_new_list(real: Played, plane: Plane) -> None:
    """410 Gone to a watch from before a compaction: what changed meanwhile is seen all the same."""
    real.deploy()
    old = real.cluster.api.get(real.cluster.api.path("apps/v1", "deployments"))["metadata"]["resourceVersion"]
    for at in range(3):
        real.patch("apps/v1", "deployments", NAME, {"metadata": {"labels": {"n": str(at)}}})
    plane.compact()
    plane.stop_api_server()
    plane.start_api_server()
    events = list(_watched(real.cluster, old, seconds=3))
    assert [(one["type"], one["object"]["code"]) for one in events] == [("ERROR", 410)]
    real.cluster._workloads._deployments._version = old
    real.patch("apps/v1", "deployments", NAME, {"spec": {"replicas": 1}})
    wait_until(lambda: real.cluster.deployments()[NAME].replicas == 1)
    carry_out(release(real, {API: "acme/api:2"}))


def test_a_list_whose_page_is_too_old_begins_anew(
    real: Played, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page was read before a compaction, the second is asked for after it, of a server that kept nothing of it.

    One that was there all the time answers from its own memory, since 1.34: it must be another.
    """
    monkeypatch.setattr("cartctl.adapters.kubernetes.client.api.PAGE", 2)
    api, get = real.cluster.api, real.cluster.api.get
    path = api.path("", "configmaps")
    for at in range(5):
        real.create("", "configmaps", {"metadata": {"name": f"c{at}"}})
    requests: list[tuple[bool, str]] = []

    def forgotten(path: str, query: Mapping[str, str] | None = None) -> Any:
        going = "continue" in (query or {})
        try:
            page = get(path, query)
        except ClusterRefused as refused:
            requests.append((going, f"{refused.status} {refused.reason}"))
            raise
        requests.append((going, "200"))
        if len(requests) == 1:
            real.create("", "configmaps", {"metadata": {"name": "c5"}})
            plane.compact()
            plane.stop_api_server()
            plane.start_api_server()
        return page

    monkeypatch.setattr(api, "get", forgotten)
    results = {item["metadata"]["name"] for item in api.listing(path)[0]}
    assert requests[:4] == [(False, "200"), (True, "410 Expired"), (False, "200"), (True, "200")]
    assert {f"c{at}" for at in range(6)} <= results


def test_bookmarks_carry_the_version_on(real: Played) -> None:
    """A quiet namespace's watch is told a newer version before it ends, where others' deployments have changed."""
    version = real.cluster.api.get(real.cluster.api.path("apps/v1", "deployments"))["metadata"][
        "resourceVersion"
    ]
    elsewhere = Api(real.cluster.api.access, "default")
    elsewhere.send("POST", elsewhere.path("apps/v1", "deployments"), deployment(real.name, "acme/api:1", 0))
    events = list(_watched(real.cluster, version, seconds=6))
    elsewhere.send("DELETE", elsewhere.path("apps/v1", "deployments", real.name))
    assert {one["type"] for one in events} == {"BOOKMARK"}
    assert all(int(one["object"]["metadata"]["resourceVersion"]) > int(version) for one in events)


def test_what_conflicts_answers_as_the_small_server_does(real: Played) -> None:
    """The statuses and reasons that `change` and `Settings` tell apart."""
    real.deploy()
    api = real.cluster.api
    path = api.path("apps/v1", "deployments", NAME)
    stale = [{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}]
    assert _refused(real, "PATCH", path, stale, JSON_PATCH) == (422, "Invalid")
    missing = [{"op": "replace", "path": "/spec/template/spec/containers/7/image", "value": "x"}]
    assert _refused(real, "PATCH", path, missing, JSON_PATCH) == (422, "Invalid")
    old = {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
    assert _refused(real, "PATCH", path, old, MERGE_PATCH) == (409, "Conflict")
    real.create("", "configmaps", {"metadata": {"name": "c"}})
    twice = {"metadata": {"name": "c"}}
    assert _refused(real, "POST", api.path("", "configmaps"), twice) == (409, "AlreadyExists")
    assert _refused(real, "GET", api.path("", "configmaps", "none")) == (404, "NotFound")


def test_an_apply_over_a_release_conflicts_with_our_name(real: Played) -> None:
    """The image's manager is cartctl by then: a server-side apply of another image conflicts, unless it is forced."""
    path = real.cluster.api.path("apps/v1", "deployments", NAME)
    item = deployment(NAME, "acme/api:1", 1)
    apply, theirs = "application/apply-patch+yaml", {"fieldManager": "theirs"}
    real.cluster.api.send("PATCH", path, item, content=apply, query=theirs)
    real.settle()
    carry_out(release(real, {API: "acme/api:2"}))
    with pytest.raises(ClusterRefused, match=r'conflict with "cartctl".*image') as refused:
        real.cluster.api.send("PATCH", path, item, content=apply, query=theirs)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


def test_what_is_invalid_is_reported_and_not_tried_forever(real: Played) -> None:
    """The server's validation is its last word."""
    real.deploy()
    began = time.monotonic()
    with pytest.raises(ClusterRefused, match=r"containers\[0\]\.image: Required value"):
        real.cluster.set_images(NAME, {"api": ""}, cause="test")
    assert time.monotonic() - began < 10


def test_a_quota_that_leaves_no_room_ends_the_release(real: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller's own words, once they have lasted."""
    monkeypatch.setattr("cartctl.adapters.kubernetes.workloads.failures.GRACE", 0.5)
    real.deploy()
    real.create("", "resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}})
    wait_until(lambda: real.item("", "resourcequotas", "q").get("status", {}).get("used"))
    real.patch(
        "apps/v1", "deployments", NAME, {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}}
    )
    with pytest.raises(RolloutFailed, match=r"FailedCreate: .*exceeded quota"):
        carry_out(release(real, {API: "acme/api:2"}))


def test_a_quota_on_our_own_writes_is_no_lack_of_rights(real: Played) -> None:
    """Admission's 403 is the server's no to the object."""
    hard = {"count/configmaps": "0"}
    real.create("", "resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    wait_until(
        lambda: "count/configmaps" in real.item("", "resourcequotas", "q").get("status", {}).get("used", {})
    )
    with pytest.raises(ClusterRefused, match="exceeded quota"):
        real.cluster.put_settings("cart-runtime", {"A": "1"})


def test_a_progress_deadline_that_is_over_ends_the_release(real: Played) -> None:
    """The controller's own verdict."""
    real.deploy()
    real.patch("apps/v1", "deployments", NAME, {"spec": {"progressDeadlineSeconds": 2}})
    real.nodes.bad["acme/api:2"] = "NeverReady"
    with pytest.raises(RolloutFailed, match="ProgressDeadlineExceeded"):
        carry_out(release(real, {API: "acme/api:2"}, timeout=60))


def test_a_deployment_deleted_during_its_rollout_is_reported(real: Played) -> None:
    """The wait ends at once, with its name."""
    real.deploy()
    real.nodes.bad["acme/api:2"] = "NeverReady"
    change = release(real, {API: "acme/api:2"}, timeout=60)
    to = change.target(change.observe(change.names))
    threading.Timer(1.0, real.delete, ("apps/v1", "deployments", NAME)).start()
    with pytest.raises(UnknownDeployment, match=NAME):
        change.move(to, Pulse())


def test_a_job_in_flight_is_waited_for(real: Played) -> None:
    """One that a CronJob owns, until the Job controller says that it is complete."""
    real.create("batch/v1", "cronjobs", cronjob())
    owner = real.item("batch/v1", "cronjobs", "recovery")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": "CronJob",
        "name": "recovery",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    spec = owner["spec"]["jobTemplate"]["spec"]
    real.create("batch/v1", "jobs", {"metadata": {"name": "j", "ownerReferences": [reference]}, "spec": spec})
    wait_until(lambda: real.item("batch/v1", "jobs", "j")["status"].get("active"))
    with pytest.raises(TimedOut, match="Draining cronjob/recovery"):
        sizes(real, (CRON,), 0, drain=1).move({CRON: 0}, Pulse())
    real.nodes.bad[spec["template"]["spec"]["containers"][0]["image"]] = "Succeeded"
    sizes(real, (CRON,), 0, drain=30).move({CRON: 0}, Pulse())
    assert real.item("batch/v1", "jobs", "j")["status"]["succeeded"] == 1


@pytest.mark.parametrize("lives", (True, False))
def test_the_last_lines_come_from_the_node_where_it_lives(
    real: Played, node: Node, monkeypatch: pytest.MonkeyPatch, *, lives: bool
) -> None:
    """The previous container's too; a kubelet that answers nothing hides no reason."""
    real.deploy()
    real.nodes.bad["acme/api:2"] = "CrashLoopBackOff"
    messages = {True: "dying", False: "again"}
    monkeypatch.setattr(
        node, "logs", (lambda *request: [("2026-01-01T00:00:01.5Z", messages[request[2]])]) if lives else None
    )
    with pytest.raises(RolloutFailed, match="CrashLoopBackOff") as failed:
        carry_out(release(real, {API: "acme/api:2"}))
    assert [text in failed.value.message for text in ("dying", "again")] == [lives, lives]
    lines = real.cluster.tail(f"app={NAME}", since=60).read()
    assert {line.text for line in lines} == ({"dying", "again"} if lives else set())


def test_an_unknown_namespace_is_reported_though_its_list_is_empty(real: Played) -> None:
    """A list in a namespace that nobody made is no error of the server's."""
    cluster = Kubernetes(None, f"{real.name}-none")
    with pytest.raises(ConfigError, match="not found"):
        cluster.deployments()
    cluster.close()


@pytest.mark.parametrize(
    "name",
    (
        "role.yaml",
        "state.yaml",
        "deploy/job.yaml",
        "rollout-cronjob.yaml",
        "cart-cronjobs.yaml",
        "backlog/jobs.yaml",
    ),
)
def test_the_runbooks_manifests_are_taken(real: Played, name: str) -> None:
    """By the server's own validation, without a word of warning about a field that it does not know."""
    text = (RUNBOOKS / name).read_text(encoding="utf-8").replace("production", real.name)
    for item in yaml.safe_load_all(text):
        group = item["apiVersion"] if "/" in item["apiVersion"] else ""
        path = real.cluster.api.path(group, f"{item['kind'].lower()}s")
        version = "/".join(path.split("/")[2:4]) if group else "v1"
        made = real.cluster.api.send("POST", path, {**item, "apiVersion": version}, query={"dryRun": "All"})
        lost = {one[-1] for one in _leaves(item)} - {one[-1] for one in _leaves(made)}
        assert lost <= (LATER if real.cluster.api.find("/apis/autoscaling/v2") is None else set())


def _leaves(item: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """The path of every leaf."""
    if isinstance(item, dict):
        for key, value in item.items():
            yield from _leaves(value, *path, key)
    elif isinstance(item, list):
        for value in item:
            yield from _leaves(value, *path, "[]")
    else:
        yield path


def _watched(cluster: Kubernetes, version: str, *, seconds: int) -> Iterator[Item]:
    """The events of the deployments since a version, for so long."""
    query = {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
    }
    path = cluster.api.path("apps/v1", "deployments")
    with cluster.api.stream(path, query, silence=seconds + 5) as stream:
        for line in b"".join(stream.chunks).splitlines():
            yield json.loads(line)


def _refused(
    real: Played, method: str, path: str, body: Any = None, content: str = "application/json"
) -> tuple[int, str]:
    """How the server says no."""
    with pytest.raises(ClusterRefused) as refused:
        real.cluster.api.send(method, path, body, content=content)
    return refused.value.status, refused.value.reason
