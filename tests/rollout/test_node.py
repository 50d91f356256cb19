"""Node's flagd library answers as ours does: thousands of ids, shares and lists, on the documents that cartctl writes."""

import json
import random
import subprocess
import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from cartctl.rollout.document import Setting, put_in, render, write
from cartctl.rollout.evaluation import Buckets
from cartctl.rollout.flag_names import FLAGS
from tests.services import require_packages

PACKAGES = ("@openfeature/flagd-core@4.0.1", "@openfeature/core@1")
PROGRAM = """
const { FlagdCore } = require('@openfeature/flagd-core');
const fs = require('fs');
const { document, flags, ids } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const quiet = { error() {}, warn() {}, info() {}, debug() {} };
const core = new FlagdCore();
core.setConfigurations(document);
const on = {};
for (const flag of flags) {
  on[flag] = ids.filter((id) => core.resolveBooleanEvaluation(flag, false, { targetingKey: id }, quiet).value);
}
process.stdout.write(JSON.stringify(on));
"""
SETTINGS = (
    Setting(Decimal(10), "fractional", (), None, ("avnz",)),
    Setting(Decimal("33.33"), "fractional", ("kept-1", "kept-2"), None, ("avnz",)),
    Setting(Decimal(75), "fractional", (), None, (), "another seed"),
    Setting(
        Decimal(50), "fractional", (), tuple(f"company-{number}" for number in range(0, 2000, 3)), ("avnz",)
    ),
    Setting(
        Decimal(25), "exact", tuple(f"company-{number}" for number in range(0, 2000, 4)), None, ("avnz",)
    ),
    Setting(Decimal(25), "exact", ("é", "a\\1", "$&", 'say "hi"', "東京"), None, ("avnz",)),
    Setting(Decimal(100)),
    Setting(Decimal(0)),
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm packages, installed for this session."""
    home = tmp_path_factory.mktemp("node")
    require_packages(home, *PACKAGES)
    (home / "evaluate.js").write_text(PROGRAM)
    return home


def company_ids() -> list[str]:
    """Ids as platforms have them, and odd ones; those beyond ASCII are allocated by list alone."""
    chance = random.Random(8)
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return [
        *(
            "avnz",
            "kept-1",
            "é",
            "a\\1",
            "$&",
            'say "hi"',
            "東京",
            "1",
            "007",
            "true",
            "null",
            "x" * 300,
            "a/b",
            " ",
        ),
        *(f"company-{number}" for number in range(2000)),
        *(str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(1500)),
        *("c" + "".join(chance.choices(letters, k=24)) for _ in range(1500)),
    ]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: f"{one.allocation}-{one.percent}")
def test_node_has_the_same_companies_on(node: Path, setting: Setting) -> None:
    """For all three flags and every id, Node's evaluation is what was counted here."""
    ids = [one for one in company_ids() if one.isascii() or setting.allocation == "exact"]
    document = write(put_in({}, render(setting)), "a test")
    given = node / "given.json"
    given.write_text(json.dumps({"document": document, "flags": FLAGS, "ids": ids}), encoding="utf-8")
    done = subprocess.run(
        ["node", "evaluate.js", str(given)], capture_output=True, text=True, check=False, timeout=60, cwd=node
    )
    assert done.returncode == 0, done.stderr
    counted = setting.members(ids, Buckets(setting.seed))
    assert {flag: frozenset(on) for flag, on in json.loads(done.stdout).items()} == dict.fromkeys(
        FLAGS, counted
    )
