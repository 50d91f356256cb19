"""The sign-off runbook, followed word for word: three people with their own keys, a staging sandbox, and a deployment that counts them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.sandbox.down import down
from cartctl.sandbox.up import up
from tests.plans.followed import RUNBOOKS, Person, environment_of, steps
from tests.sandbox_fixture import Sandbox
from tests.services import long

NAMES = ("ann", "bob", "carl")
ROLES = {  # as the runbook's configuration gives them
    "DBA": "ann",
    "QA Lead": "bob",
    "Product Owner": "bob",
    "DevOps Lead": "carl",
    "Backend Lead": "carl",
    "Frontend Lead": "carl",
}


@pytest.fixture
def people(sandbox: Sandbox, tmp_path: Path) -> Iterator[dict[str, Person]]:
    """Who approves, each with a home and a key; the configuration is the runbook's, for two sandboxes."""
    up("staging", lambda _: None)
    staging = sandbox.layout.directory.with_name("staging") / "cartctl.toml"
    (tmp_path / "ops").mkdir()
    lines = [_signer(tmp_path / name, name) for name in NAMES]
    (tmp_path / "ops/signers").write_text("".join(lines), encoding="utf-8")
    rules = (RUNBOOKS / "signoff.md").read_text(encoding="utf-8").partition("```toml\n")[2]
    environments = environment_of(sandbox.layout.config, "production"), environment_of(staging, "staging")
    text = "\n".join((*environments, rules.partition("```")[0]))
    (tmp_path / "cartctl.toml").write_text(text, encoding="utf-8")
    yield {name: Person(tmp_path, tmp_path / name) for name in NAMES}
    down("staging", lambda _: None, purge=True)


def _signer(home: Path, name: str) -> str:
    """A new key in a home, and its line for the allowed signers as the runbook describes it."""
    key = home / ".ssh/id_ed25519"
    key.parent.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    words = key.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]
    return f'{name}@example.com namespaces="cartctl-signoff" {" ".join(words)}\n'


@long
def test_the_signoff_runbook_is_followed_to_its_end(people: dict[str, Person]) -> None:
    """Without the last approval the deployment is refused; with all it succeeds, and its report has the table."""
    seen: list[str] = []
    for words, codes in steps("signoff.md"):
        if words[0] == "deploy" and "production" in words:
            assert people["bob"].run("signoff", "verify", "--env", "production").returncode == 7
            assert people["bob"].run(*words).returncode == 3
            _approve_the_rest(people)
        role = words[words.index("--role") + 1] if "--role" in words else ""
        people[ROLES.get(role, "ann")].follow_one(words, codes, {})
        seen.append(" ".join(words[:2]))
    assert {"deploy --env", "signoff attest", "signoff request", "signoff add", "signoff import"} <= {*seen}
    report = people["ann"].run("report", "--env", "production", "-o", "json")
    rows = json.loads(report.stdout)["signoffs"]
    assert {row["role"]: row["name"].partition("@")[0] for row in rows} == ROLES


def _approve_the_rest(people: dict[str, Person]) -> None:
    sheet = people["ann"].run("signoff", "list", "--env", "production", "-o", "json")
    missing = [row["role"] for row in json.loads(sheet.stdout)["rows"] if not row["counts"]]
    assert len(missing) == 4
    for role in missing:
        line = ("signoff", "add", "--role", role, "--key", "~/.ssh/id_ed25519", "--env", "production")
        done = people[ROLES[role]].run(*line)
        assert done.returncode == 0, done.stderr
