"""The sandbox's supervisor behind the Cluster protocol."""

import json
import os
import subprocess
import sys
import time

import pytest

from cartctl.adapters import effects
from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Pod, UnknownDeployment
from cartctl.adapters.supervisor.cluster import Processes
from cartctl.errors import Locked
from cartctl.sandbox.down import down
from cartctl.sandbox.images import digest
from cartctl.sandbox.up import up
from tests.sandbox_fixture import Sandbox, sandbox, sandbox_session, wait_for

__all__ = ["sandbox", "sandbox_session"]

API, WORKER = "deployment/payment-api", "deployment/job-worker"


def test_it_is_a_cluster(sandbox: Sandbox) -> None:
    """Spec and status of each deployment are told as the protocol has them."""
    cluster: Cluster = sandbox.cluster
    result = cluster.deployments()
    assert {
        name: (message.replicas, message.complete, message.images) for name, message in result.items()
    } == {
        "payment-api": (2, True, {"api": result["payment-api"].images["api"]}),
        "admin-dashboard": (1, True, {"web": result["admin-dashboard"].images["web"]}),
        "job-worker": (1, True, {"worker": result["job-worker"].images["worker"]}),
    }
    assert {image.ref for message in result.values() for image in message.images.values()} == {"1.0.0"}
    assert cluster.scalers(["payment-api", "job-worker"]) == [API, WORKER]
    assert cluster.capacity([API, WORKER]) == {API: 2, WORKER: 1}


def test_a_release_runs_the_digest_of_its_version_and_is_counted(sandbox: Sandbox) -> None:
    """After a release every pod runs the version's digest under a new revision; asking again changes nothing."""
    cluster = sandbox.cluster
    before = int(cluster.deployments()["payment-api"].revision)
    for _ in range(2):
        cluster.set_images("payment-api", {"api": "2.0.0"}, cause="test")
    wait_for(sandbox.settled)
    pods = [pod for pod in cluster.pods("payment-api") if pod.ready]
    assert {pod.images["api"].digest for pod in pods} == {digest("2.0.0")}
    assert [cluster.ask(pod, "/health", {}).status for pod in pods] == [200, 200]
    assert int(cluster.deployments()["payment-api"].revision) == before + 1


def test_an_image_may_be_named_by_its_digest(sandbox: Sandbox) -> None:
    """A reference that pins the digest runs that version, and one whose tag does not fit does not exist."""
    cluster = sandbox.cluster
    cluster.set_images("payment-api", {"api": f"2.0.0@{digest('2.0.0')}"}, cause="test")
    wait_for(sandbox.settled)
    assert sandbox.api.get("/health").json()["version"] == "2.0.0"
    with pytest.raises(UnknownDeployment):
        cluster.set_images("payment-api", {"api": f"1.0.0@{digest('2.0.0')}"}, cause="test")


@pytest.mark.parametrize(
    ("deployment", "images", "expected"),
    (
        ("payment-api", {"api": "9.9.9"}, "Unknown image 9.9.9"),
        ("payment-api", {"sidecar": "2.0.0"}, "no container sidecar"),
        ("checkout", {"api": "2.0.0"}, "Unknown deployment checkout"),
    ),
)
def test_what_does_not_exist_is_refused_before_anything_changes(
    sandbox: Sandbox, deployment: str, images: dict[str, str], expected: str
) -> None:
    """An unknown image, container or deployment is a usage error that names what there is."""
    before = sandbox.cluster.deployments()
    with pytest.raises(UnknownDeployment, match=expected) as refused:
        sandbox.cluster.set_images(deployment, images, cause="test")
    assert refused.value.exit_code == 2
    assert refused.value.hint
    assert sandbox.cluster.deployments() == before


def test_a_version_that_dies_at_start_is_a_crash_loop_and_costs_nothing(sandbox: Sandbox) -> None:
    """A crash loop is told with its last log lines while the old replicas serve on; going back clears it."""
    cluster = sandbox.cluster
    cluster.set_images("payment-api", {"api": "2.0.0-crash"}, cause="test")
    wait_for(lambda: cluster.deployments()["payment-api"].failure)
    result = cluster.deployments()["payment-api"]
    assert result.failure
    assert result.failure.startswith("CrashLoopBackOff")
    assert "exited with 1" in result.failure
    assert "cart module failed to start" in result.failure
    assert not result.complete
    assert any("cart module failed" in line for line in cluster.logs("payment-api", lines=20))
    assert sum(pod.ready for pod in cluster.pods("payment-api")) == 2
    assert max(pod.restarts for pod in cluster.pods("payment-api")) >= 2
    assert sandbox.api.get("/health").json()["version"] == "1.0.0"
    cluster.set_images("payment-api", {"api": "1.0.0"}, cause="back")
    wait_for(sandbox.settled)
    assert cluster.deployments()["payment-api"].failure is None


def test_a_dead_replica_is_started_again(sandbox: Sandbox) -> None:
    """SIGKILL of a replica costs one restart, seen in its pod."""
    cluster = sandbox.cluster
    victim = next(pod.name for pod in cluster.pods("payment-api") if pod.ready)
    os.kill(_processes(sandbox)[victim], 9)
    wait_for(lambda: max(pod.restarts for pod in cluster.pods("payment-api")) == 1)
    wait_for(sandbox.settled)
    assert cluster.deployments()["payment-api"].failure is None


def _processes(sandbox: Sandbox) -> dict[str, int]:

    document: dict[str, int] = json.loads(sandbox.layout.state.read_text(encoding="utf-8"))["processes"]
    return document


def test_workers_scale_to_nothing_and_back(sandbox: Sandbox) -> None:
    """Scaled to 0 no pod is left, those that are ending included; scaled back it runs."""
    cluster = sandbox.cluster
    cluster.set_capacity(WORKER, 0)
    wait_for(lambda: cluster.running(WORKER) == 0, seconds=5)
    assert cluster.deployments()["job-worker"].complete
    cluster.set_capacity(WORKER, 1)
    wait_for(sandbox.settled)
    assert cluster.running(WORKER) == 1
    for name in ("cronjob/recovery", "hpa/payment-api"):
        with pytest.raises(UnknownDeployment):
            cluster.set_capacity(name, 1)


def test_settings_are_keys_beside_other_keys(sandbox: Sandbox) -> None:
    """Writing and removing one key leaves the others; a ConfigMap that nobody made is empty."""
    cluster = sandbox.cluster
    assert cluster.settings("nobody") == {}
    cluster.put_settings("shared", {"A": "1", "B": "zwei\n"})
    cluster.put_settings("shared", {"A": None, "C": ""})
    assert cluster.settings("shared") == {"B": "zwei\n", "C": ""}
    for name in ("../escape", "a/b", ""):
        with pytest.raises((ClusterUnreachable, UnknownDeployment)):
            cluster.put_settings(name, {"A": "1"})
    with pytest.raises(ClusterUnreachable, match="invalid name"):
        cluster.put_settings("shared", {"../../token": "1"})


def test_a_write_that_another_one_overtook_is_made_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict of versions is retried on a fresh reading, so that neither write is lost."""
    cluster, other = sandbox.cluster, sandbox.cluster
    calls: list[str] = []

    def overtake(name: str, moment: str) -> None:
        if (name, moment) == ("cluster.put_settings", "before") and not calls:
            calls.append(name)
            other.put_settings("shared", {"theirs": "1"})

    monkeypatch.setattr(effects, "probe", overtake)
    cluster.put_settings("shared", {"mine": "1"})
    assert cluster.settings("shared") == {"mine": "1", "theirs": "1"}


def test_a_pod_that_is_gone_does_not_answer(sandbox: Sandbox) -> None:
    """Asking a pod that no longer runs says so."""
    gone = Pod("payment-api-1-gone", "payment-api", ready=True, images={})
    with pytest.raises(ClusterUnreachable, match="is not running"):
        sandbox.cluster.ask(gone, "/health", {})


def test_a_wrong_secret_is_refused(sandbox: Sandbox) -> None:
    """The control API answers nobody without its secret, and the secret stands in no error."""
    control = sandbox.cluster._control.base_url
    with pytest.raises(ClusterUnreachable, match="secret is wrong") as refused:
        Processes(control, "guessed").deployments()
    assert "guessed" not in refused.value.message


HOLDER = """
import sys, time
from cartctl.adapters.supervisor.cluster import Processes
with Processes(sys.argv[1], sys.argv[2]).lease("run R1 of ada@laptop"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lease_names_its_holder_and_falls_with_its_process(sandbox: Sandbox) -> None:
    """Held by another process the lease is refused by name; after SIGKILL of the holder it is free at once."""
    cluster = sandbox.cluster
    secret = sandbox.layout.secret.read_text(encoding="utf-8").strip()
    argv = [sys.executable, "-c", HOLDER, cluster._control.base_url, secret]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match="run R1 of ada@laptop"), cluster.lease("R2"):
            pytest.fail("held twice")
        holder.kill()
    under_way = time.monotonic()
    with cluster.lease("R2"):
        assert time.monotonic() - under_way < 60


def test_an_image_that_is_gone_is_reported(sandbox: Sandbox) -> None:
    """A deployment whose image no longer exists says ErrImagePull, and `up` does not wait for it for ever."""
    down("default", lambda _: None)
    kept = json.loads(sandbox.layout.state.read_text(encoding="utf-8"))
    kept["specs"]["job-worker"]["images"] = {"worker": "0.9.0"}
    sandbox.layout.state.write_text(json.dumps(kept), encoding="utf-8")
    assert up("default", lambda _: None).state == "degraded"
    assert sandbox.cluster.deployments()["job-worker"].failure == "ErrImagePull: image 0.9.0 not found"
    sandbox.cluster.set_images("job-worker", {"worker": "1.0.0"}, cause="test")
    wait_for(sandbox.settled)
