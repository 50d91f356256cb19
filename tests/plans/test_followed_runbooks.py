"""Runbooks that change something, followed in order on a sandbox: each command ends with the exit code that the runbook states."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.plans.followed import MARKED, RUNBOOKS, steps
from tests.services import long
from tests.test_conventions import LEAVES, command_at

QUICK = {
    "CARTCTL_METRICS__KIND": "scrape",
    "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1",
    "CARTCTL_MONITOR__FOR": "1s",
}
DEPLOYMENT, ROLLBACK = "20261201-020000-ab12", "20261201-021500-cd34"  # as the runbooks print them
SNAPSHOT = "20261202T081500Z-4c1d"  # one that a person took


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """One command line, on the sandbox, with a yes where it would ask."""
    line = ["sandbox" if word == "production" else word for word in words]
    path = next(path for path in LEAVES if path and tuple(words[: len(path)]) == path)
    asks = any("--yes" in option.opts for option in command_at(path).params)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "cartctl",
            *line,
            *(["--yes"] if asks and not {"--yes", "--plan"} & {*line} else []),
            *([] if "--env" in line else ["--env", "sandbox"]),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(QUICK if path[0] != "monitor" else {})},
        cwd=os.environ.get("CARTCTL_STATE_DIR"),
    )


def newest(plan: str) -> str:
    """The newest successful run of a kind; empty without one."""
    runs = json.loads(run("history", "-o", "json").stdout)["runs"]
    return next((one["run"] for one in runs if (one["plan"], one["outcome"]) == (plan, "succeeded")), "")


def newest_snapshot() -> str:
    """The newest snapshot that no deployment took; empty without one."""
    ids = [one["id"] for one in json.loads(run("snapshot", "list", "-o", "json").stdout)["snapshots"]]
    return next((one for one in ids if not one.startswith("run-")), "")


@long
@pytest.mark.parametrize("runbook", ("rollback.md", "snapshots.md", "rollout.md", "monitoring.md"))
@pytest.mark.usefixtures("sandbox")
def test_a_runbook_is_followed_to_its_end(runbook: str) -> None:
    """After a deployment and with carts in the database; ids in the runbook stand for those of the sandbox."""
    for line in ("deploy", "sandbox seed --carts 60 --companies 3"):
        done = run(*line.split())
        assert done.returncode == 0, (line, done.stderr)
    followed = 0
    for words, codes in steps(runbook):
        ids = {DEPLOYMENT: newest("deploy"), ROLLBACK: newest("rollback"), SNAPSHOT: newest_snapshot()}
        line = shlex.join(words)
        for printed, real in ids.items():
            line = line.replace(printed, real)
        done = run(*shlex.split(line))
        if words[0] == "rollback" and "--plan" not in words:  # what it names next succeeds too
            [following] = re.findall(r"^next +\S*cartctl ([^;\n]+)", done.stdout, re.MULTILINE)
            assert run(*shlex.split(following)).returncode == 0, following
        assert done.returncode in codes, (line, done.returncode, done.stdout[-1500:], done.stderr[-1500:])
        followed += 1
    assert followed >= 6


def test_every_mark_is_before_commands() -> None:
    """One exit code per command; a mark without a block, or of another form, would run nothing."""
    for path in RUNBOOKS.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.count("<!-- run in order") == len(
            MARKED.findall(re.sub(r"^ +", "", text, flags=re.MULTILINE))
        ), path
        list(steps(str(path.relative_to(RUNBOOKS))))
