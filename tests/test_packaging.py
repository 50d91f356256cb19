"""Manifests, CI templates and the container file: valid by their schemas, built by kustomize, and run as written."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from kubernetes import client

from tests.services import require
from tests.web import Reply, serve

ROOT = Path(__file__).parents[1]
CI = ROOT / "runbooks/ci"
KUBERNETES = ROOT / "runbooks/kubernetes"
SCHEMAS = ROOT / "tests/cases/schemas"
MODELS = {
    "ServiceAccount": client.V1ServiceAccount,
    "Role": client.V1Role,
    "RoleBinding": client.V1RoleBinding,
    "Job": client.V1Job,
    "CronJob": client.V1CronJob,
    "Deployment": client.V1Deployment,
    "PersistentVolumeClaim": client.V1PersistentVolumeClaim,
}


def errors(name: str, document: Any) -> list[str]:
    """What a schema finds wrong."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(document)]


@pytest.mark.parametrize(
    ("schema", "file"),
    (
        ("github-actions", "action.yml"),
        ("github-workflows", "github-smoke.yml"),
        ("gitlab-ci", "gitlab-smoke.yml"),
        ("gitlab-ci", "gitlab-template.yml"),
    ),
)
def test_ci_files_match_their_schemas(schema: str, file: str) -> None:
    """Each document of each file; a misspelt key would be ignored or refused by the service."""
    documents = list(yaml.safe_load_all((CI / file).read_text(encoding="utf-8")))
    for document in documents:
        known = {("on" if key is True else key): value for key, value in document.items()}  # YAML 1.1's yes
        assert errors(schema, known) == []
    assert errors(
        schema, {**{("on" if k is True else k): v for k, v in documents[-1].items()}, "runs": 3, "jobs": 3}
    )


def script(file: str) -> str:
    """The commands after the installation."""
    if file == "action.yml":
        return str(yaml.safe_load((CI / file).read_text(encoding="utf-8"))["runs"]["steps"][1]["run"])
    *_, document = yaml.safe_load_all((CI / file).read_text(encoding="utf-8"))
    return "\n".join(document["cartctl"]["script"][1:])


@pytest.mark.parametrize("file", ("action.yml", "gitlab-template.yml"))
@pytest.mark.parametrize(("status", "code"), ((200, 0), (500, 7)))
def test_ci_commands_run_as_written(file: str, status: int, code: int, tmp_path: Path) -> None:
    """Quoted words stay together, nothing is expanded, and the exit code is the command's own."""
    (tmp_path / "my suite.toml").write_text('[[request]]\nname = "products"\npath = "/$(touch expanded)"\n')
    with serve(lambda _: Reply({}, status)) as web:
        arguments = f"smoke --url {web.url} --suite 'my suite.toml' --junit \"reports/$(touch expanded).xml\""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script(file)],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "ARGUMENTS": arguments,
                "ENVIRONMENT": "",
                "GITHUB_OUTPUT": str(tmp_path / "output"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "expanded").exists()
    assert (tmp_path / "reports").is_dir()
    if file == "action.yml":
        assert (tmp_path / "output").read_text() == f"exit-code={code}\n"


def built(directory: str) -> list[dict[str, Any]]:
    """The objects that kustomize builds."""
    done = subprocess.run(
        [require("kubectl"), "kustomize", KUBERNETES / directory], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomize_builds_every_manifest() -> None:
    """Job, CronJobs, monitor and Role, in one namespace and with one image."""
    objects = [*built("."), *built("deploy")]
    kinds = sorted(one["kind"] for one in objects)
    assert set(kinds) == set(MODELS)
    assert {one["metadata"]["namespace"] for one in objects} == {"production"}
    assert set(re.findall(r"'image': '([^']+)'", str(objects))) == {"registry.example.com/cartctl:0.1.0"}


@pytest.mark.parametrize("directory", (".", "deploy"))
def test_manifests_have_only_fields_of_their_api(directory: str) -> None:
    """Each field exists in the API's own model, at every depth: an unknown one would be dropped in silence."""
    wrong = [
        problem
        for one in built(directory)
        for problem in unknown_fields(one, MODELS[one["kind"]], one["kind"])
    ]
    assert wrong == []
    assert list(unknown_fields({"spec": {"replica": 2}}, client.V1Deployment, "Deployment"))


def unknown_fields(value: Any, model: Any, path: str) -> Iterator[str]:
    """The paths of fields that a model does not have."""
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, below in value.items():
        if key not in names:
            yield f"{path}.{key}"
            continue
        kind = model.openapi_types[names[key]]
        inner = re.fullmatch(r"list\[(\w+)\]", kind)
        nested = getattr(client, inner[1] if inner else kind, None)
        if nested is not None and hasattr(nested, "attribute_map"):
            for one in below if inner else [below]:
                yield from unknown_fields(one, nested, f"{path}.{key}")


def test_pods_run_without_privileges() -> None:
    """No root, no writable root file system, no capabilities, in every pod."""
    pods = [spec for one in [*built("."), *built("deploy")] for spec in pod_specs(one)]
    assert len(pods) >= 6
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def pod_specs(value: Any) -> Iterator[dict[str, Any]]:
    """Every pod specification in an object."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for below in value.values():
            yield from pod_specs(below)


def test_every_package_of_the_image_has_a_hash() -> None:
    """The container file installs from this lock alone; it is read, not built: no container engine runs here."""
    lock = (ROOT / "requirements/sandbox.lock").read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9].*==", lock, re.MULTILINE)
    assert len(re.findall(r"^[a-z0-9][^\n]*\\\n    --hash=sha256:", lock, re.MULTILINE)) == len(packages) > 0
