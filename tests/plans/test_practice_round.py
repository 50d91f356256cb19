"""The practice round of the deployment runbook, followed literally."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.sandbox_fixture import Sandbox
from tests.services import long

RUNBOOK = Path(__file__).parents[2] / "runbooks" / "deploy.md"
QUICK = {"CARTCTL_METRICS__KIND": "scrape", "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1"}
PLACEHOLDER = re.compile(r"\b20261201-\d{6}-\w{4}\b")
PRINTED = re.compile(r"cartctl rollback --run (\S+)")


def commands() -> list[str]:
    """The command lines of the round, in order."""
    text = RUNBOOK.read_text(encoding="utf-8")
    section = text[text.index("3. Practise once") : text.index("## In the window")]
    return re.findall(r"^ +(cartctl .+)$", section, re.MULTILINE)


@long
def test_the_practice_round_ends_as_the_runbook_describes(sandbox: Sandbox) -> None:
    """Deployed, a broken version that reverts itself, a rollback that is refused and names the run, and that run rolled back."""
    seen, run = [], ""
    for line in commands():
        words = shlex.split(PLACEHOLDER.sub(run, line))[1:]
        env = {**os.environ, **QUICK}
        done = subprocess.run(
            [sys.executable, "-m", "cartctl", *words], capture_output=True, text=True, check=False, env=env
        )
        images = {
            name: next(iter(result.images.values())).ref
            for name, result in sandbox.cluster.deployments().items()
        }
        seen.append((done.returncode, images["payment-api"]))
        printed = PRINTED.search(done.stderr)
        run = printed[1] if printed else run
    assert seen == [(0, "2.0.0"), (4, "2.0.0"), (3, "2.0.0"), (0, "1.0.0")], done.stderr
