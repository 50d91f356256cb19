"""Least privilege: the Role grants exactly the verbs that the adapter asks for."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cartctl.adapters.kubernetes.client.verbs import VERBS, Verb
from tests.kubernetes.fixture import Small, wait_until
from tests.kubernetes.test_cluster_adapter import autoscaler, cronjob
from tests.test_conventions import parse

RUNBOOKS = Path(__file__).parents[2] / "runbooks" / "kubernetes"
MADE_HERE = {("create", kind) for kind in ("deployments", "horizontalpodautoscalers", "cronjobs")}
OWN = {"selfsubjectaccessreviews"}  # every authenticated user may ask about itself


def documents(name: str) -> list[dict[str, Any]]:
    """The objects of a manifest."""
    return list(yaml.safe_load_all((RUNBOOKS / name).read_text(encoding="utf-8")))


def test_the_role_grants_the_table_and_nothing_else() -> None:
    """Group by group, resource by resource, verb by verb."""
    (role,) = [one for one in documents("role.yaml") if one["kind"] == "Role"]
    granted = [
        Verb(group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert sorted(granted) == sorted(VERBS)


def test_the_table_is_what_is_requested(small: Small) -> None:
    """Everything that cartctl does to a cluster, done once: the server sees each verb of the table and no other."""
    cluster = small.cluster
    assert cluster.deployments() == {}
    small.controller.bad["acme/api:bad"] = "ErrImagePull"
    small.deploy()
    small.create("autoscaling/v2", "horizontalpodautoscalers", autoscaler(1, 4))
    small.create("batch/v1", "cronjobs", cronjob())
    cluster.set_images("payment-api", {"api": "acme/api:bad"}, cause="test")
    wait_until(lambda: cluster.deployments()["payment-api"].failure)
    assert [str(one) for one in cluster.obstacles(["checkout"])] == ["checkout does not exist"]
    assert cluster.shortages({}, ["payment-api"]) == []
    cluster.set_capacity("hpa/payment-api", 2)
    cluster.set_capacity("cronjob/recovery", 0)
    cluster.running("cronjob/recovery")
    cluster.put_settings("cart-runtime", {"A": "1"})
    cluster.put_settings("cart-runtime", {"A": "2"})
    cluster.hasten("cart-runtime")
    cluster.ask(cluster.pods("payment-api")[0], "/health", {})
    cluster.logs("payment-api", lines=5)
    assert "ErrImagePull" in cluster.unready("payment-api")[0]
    with cluster.lease("test"):
        pass
    wait_until(lambda: set(VERBS) <= _seen(small))
    assert _seen(small) == set(VERBS)


def _seen(small: Small) -> set[Verb]:
    """What was asked of the server, but for what the test itself created."""
    return {
        Verb(one.group, one.resource, one.verb)
        for one in small.server.requests
        if one.resource not in OWN and (one.verb, one.resource) not in MADE_HERE
    }


@pytest.mark.parametrize(
    "name",
    (
        "deploy/job.yaml",
        "rollout-cronjob.yaml",
        "cart-cronjobs.yaml",
        "monitor-deployment.yaml",
        "backlog/jobs.yaml",
    ),
)
def test_what_runs_in_the_cluster_is_no_root_and_writes_nowhere(name: str) -> None:
    """Under the Role's service account, as a user that exists in the image, on a read-only root file system; its command line parses."""
    for document in documents(name):
        check_hardened(document["spec"])


def check_hardened(spec: dict[str, Any]) -> None:
    """A workload's pod template."""
    pod = (spec.get("jobTemplate", {}).get("spec") or spec)["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "cartctl"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    parse(container["args"])
    assert str(pod["securityContext"]["runAsUser"]) in (RUNBOOKS / "Dockerfile").read_text(encoding="utf-8")


def test_a_backlog_is_shared_by_workers_of_one_queue() -> None:
    """Each job of the backlog runs in several pods without a fixed number of completions, and applies its changes."""
    for job in documents("backlog/jobs.yaml"):
        spec = job["spec"]
        assert job["kind"] == "Job"
        assert spec["parallelism"] > 1
        assert "completions" not in spec
        assert "--apply" in spec["template"]["spec"]["containers"][0]["args"]


def test_the_images_base_is_pinned() -> None:
    """No line of the Dockerfile takes whatever is newest."""
    lines = (RUNBOOKS / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = [line.removeprefix("ARG BASE=") for line in lines if line.startswith("ARG BASE=")]
    assert len(bases) == 1
    assert {line.split()[1] for line in lines if line.startswith("FROM ")} == {"$BASE"}
    assert all(":" in base and not base.endswith(":latest") for base in bases)


def test_the_image_installs_from_the_hashed_lock_and_has_the_servers_client() -> None:
    """No package is resolved at build time, and without the server's major version no image is built."""
    text = (RUNBOOKS / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip install (.*)", text)
    assert [set(line.split()) & {"--require-hashes", "--no-deps"} for line in installs] == [
        {"--require-hashes"},
        {"--no-deps"},
    ]
    assert "requirements/sandbox.lock" in installs[0]
    assert re.search(r'test -n "\$PG_MAJOR" \|\| .*exit 1', text)
    assert '"postgresql-client-$PG_MAJOR"' in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def test_what_the_image_copies_is_there() -> None:
    """From the repository, or from a stage before, which made it."""
    stages: dict[str, str] = {}
    name = ""
    for line in (RUNBOOKS / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        match line.split():
            case ["FROM", _, *named]:
                name = named[-1] if named else "final"
                stages[name] = ""
            case ["COPY", str(origin), *paths, _] if origin.startswith("--from="):
                made = stages[origin.removeprefix("--from=")]
                assert [path for path in paths if path not in made] == []
            case ["COPY", *paths, _]:
                assert [path for path in paths if not (RUNBOOKS.parents[1] / path).exists()] == []
        stages[name] = stages.get(name, "") + line + "\n"
    assert list(stages) == ["", "build", "final"]
