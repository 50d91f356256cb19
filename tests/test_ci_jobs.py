"""The jobs in runbooks/ci: valid YAML whose smoke test runs as written, and whose report is where the job expects it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.web import Reply, serve

JOBS = Path(__file__).parents[1] / "runbooks/ci"


def load(name: str) -> Any:
    """A job's file."""
    return yaml.safe_load((JOBS / name).read_text(encoding="utf-8"))


def github() -> tuple[list[str], str]:
    """The commands of the job, and the report that it keeps."""
    job = load("github-smoke.yml")["jobs"]["smoke"]
    [kept] = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert kept["if"] == "always()"
    return [step["run"] for step in job["steps"] if "run" in step], kept["with"]["path"]


def gitlab() -> tuple[list[str], str]:
    """The commands of the job, and the report that it publishes."""
    job = load("gitlab-smoke.yml")["smoke"]
    assert job["artifacts"]["when"] == "always"
    return job["script"], job["artifacts"]["reports"]["junit"]


@pytest.mark.parametrize(
    ("job", "status", "code"), ((github, 200, 0), (github, 500, 7), (gitlab, 200, 0), (gitlab, 500, 7))
)
def test_the_job_runs_as_written(tmp_path: Path, job: Any, status: int, code: int) -> None:
    """With the suite of the page beside it; the job fails with the tests."""
    commands, report = job()
    assert [command for command in commands if '"$CARTCTL_WHEEL"' in command] == commands[:1]
    page = (JOBS / "README.md").read_text(encoding="utf-8")
    (tmp_path / "smoke.toml").write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with serve(lambda _: Reply({}, status)) as web:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands[1:])],
            cwd=tmp_path,
            env={"PATH": programs, "HOME": str(tmp_path), "API_URL": web.url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == code, done.stderr
    text = (tmp_path / report).read_text(encoding="utf-8")
    assert ("observed: HTTP 500" in text) is (code == 7)
