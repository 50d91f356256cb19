"""Beside the real kubectl, on a real API server: what it leaves and when it returns. Skipped where either is missing."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cartctl.engine.pulse import Pulse
from tests.kubernetes.fixture import Namespace, Played, wait_until
from tests.kubernetes.real import PROGRAMS
from tests.kubernetes.test_release import API, carry_out, release
from tests.kubernetes.test_revision import step
from tests.services import require

OURS, THEIRS = "payment-api", "payment-xyz"  # of one length: a name is the only difference


@pytest.fixture
def kubectl(kubeconfig: Path | None) -> list[str]:
    """The command, up to its verb."""
    if kubeconfig is None:
        pytest.skip("needs a real API server")
    return [
        str(require("kubectl", *filter(None, [os.environ.get(PROGRAMS)]))),
        "--kubeconfig",
        str(kubeconfig),
    ]


def run(kubectl: list[str], namespace: Namespace, *words: str) -> str:
    """Run one command in the namespace; its output."""
    done = subprocess.run(
        [*kubectl, "-n", namespace.name, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def three_revisions(namespace: Namespace, name: str) -> None:
    """A deployment as people leave it: variables, annotations and labels of the template come and go."""
    namespace.deploy(name, annotations={"kubernetes.io/change-cause": "first", "team": "carts"})
    for at, variables in enumerate(([{"name": "A", "value": "1"}], []), start=2):
        container = {"name": "api", "image": namespace.images.second, "env": variables}
        meta = {"annotations": {"example.com/at": str(at)}, "labels": {"at": str(at)}}
        template = {
            "metadata": meta,
            "spec": {"containers": [container], "terminationGracePeriodSeconds": at},
        }
        cause = {"annotations": {"kubernetes.io/change-cause": f"change {at}", "team": None, "late": "yes"}}
        namespace.patch("apps/v1", "deployments", name, {"metadata": cause, "spec": {"template": template}})
        await_revision(namespace, name, str(at))


def await_revision(namespace: Namespace, name: str, revision: str) -> None:
    """Wait until a deployment has got there."""
    wait_until(lambda: namespace.cluster.deployments()[name].revision == revision, namespace.seconds)
    namespace.settle(name)


def left(namespace: Namespace, name: str) -> dict[str, Any]:
    """All that was asked of a deployment, under one name for both."""
    item = namespace.item("apps/v1", "deployments", name)
    kept = {
        "spec": item["spec"],
        "annotations": item["metadata"]["annotations"],
        "labels": item["metadata"].get("labels"),
    }
    document: dict[str, Any] = json.loads(json.dumps(kept).replace(name, OURS))
    return document


@pytest.mark.parametrize("revision", ("1", "2"))
def test_going_back_leaves_what_kubectl_rollout_undo_leaves(
    namespace: Namespace, kubectl: list[str], revision: str
) -> None:
    """Spec, annotations and labels of the deployment, and the revision that is counted for it."""
    for name in (OURS, THEIRS):
        three_revisions(namespace, name)
    run(kubectl, namespace, "rollout", "undo", f"deployment/{THEIRS}", f"--to-revision={revision}")
    change = step(namespace, revision)
    change.move(change.target(change.observe((OURS,))), Pulse())
    for name in (OURS, THEIRS):
        await_revision(namespace, name, "4")
    assert left(namespace, OURS) == left(namespace, THEIRS)


def test_a_release_ends_when_kubectl_rollout_status_ends(played: Played, kubectl: list[str]) -> None:
    """Both are asked to wait for the same rollout; they return at the same moment, up to what two processes differ."""
    played.deploy()
    played.nodes.startup = 3.0
    change = release(played, {API: played.images.second})
    to = change.target(change.observe(change.names))
    played.cluster.set_images(OURS, {"api": played.images.second}, cause="test")
    ended: list[float] = []

    def theirs() -> None:
        run(kubectl, played, "rollout", "status", f"deployment/{OURS}", "--timeout=60s")
        ended.append(time.monotonic())

    thread = threading.Thread(target=theirs)
    thread.start()
    change.move(to, Pulse())
    ours = time.monotonic()
    thread.join()
    assert abs(ours - ended[0]) < 5


def test_kubectl_reports_our_cause_and_our_name(namespace: Namespace, kubectl: list[str]) -> None:
    """`rollout history` shows the change-cause, and the image's manager is cartctl."""
    namespace.deploy()
    carry_out(release(namespace, {API: namespace.images.second}))
    assert "cartctl release.api" in run(kubectl, namespace, "rollout", "history", f"deployment/{OURS}")
    managed = namespace.item("apps/v1", "deployments", OURS)["metadata"]["managedFields"]
    ours = [
        one for one in managed if "f:image" in json.dumps(one["fieldsV1"]) and one["manager"] == "cartctl"
    ]
    assert [one["operation"] for one in ours] == ["Update"]


def test_a_deployment_that_kubectl_paused_is_refused_until_it_resumes(
    namespace: Namespace, kubectl: list[str]
) -> None:
    """By the very command that our hint names."""
    namespace.deploy()
    run(kubectl, namespace, "rollout", "pause", f"deployment/{OURS}")
    wait_until(lambda: namespace.cluster.deployments()[OURS].paused)
    run(kubectl, namespace, "rollout", "resume", f"deployment/{OURS}")
    wait_until(lambda: not namespace.cluster.deployments()[OURS].paused)
    carry_out(release(namespace, {API: namespace.images.second}))
