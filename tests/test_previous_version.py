"""What the version before the renamings wrote is read as it was meant: journals, reports, a manifest and a configuration.

In `cases/previous_version`: a deployment, one that rolled itself back, and a rollback of the database, run in the sandbox.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from cartctl.config.load import load_environment
from cartctl.database.drop.differences import own_difference
from cartctl.engine.evidence import dump, load
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.report import report
from cartctl.engine.state import State, fold
from cartctl.migrations.frozen import NAMES
from cartctl.plans.execution.change_registry import kinds
from cartctl.plans.execution.journal_file import read_journal_file
from cartctl.ports import Ports
from cartctl.render.json import document
from cartctl.snapshots.manifest.manifest import parse_manifest

CASES = Path(__file__).parent / "cases" / "previous_version"
DEPLOYED, ROLLED_BACK, ROLLBACK = sorted(path.stem for path in CASES.glob("*.ndjson"))


def state_of(run: str) -> State:
    """The state of one of the runs."""
    return fold(run, FileJournal(CASES).events(run))


def test_journals_are_read() -> None:
    """Plan, outcome, steps and, for the rollback, what it rolls back."""
    states = [state_of(run) for run in (DEPLOYED, ROLLED_BACK, ROLLBACK)]
    assert [(state.plan, state.outcome, state.undo_failed) for state in states] == [
        ("deploy", "succeeded", {}),
        ("deploy", "rolled_back", {}),
        ("rollback", "succeeded", {}),
    ]
    assert states[2].of == DEPLOYED
    assert states[0].results["migrate"]["applied"] == list(NAMES)
    assert read_journal_file(CASES / f"{DEPLOYED}.ndjson").evidence == states[0].evidence


def test_a_deployment_can_be_rolled_back_from_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Change is rebuilt from its evidence, whose values it accepts; the database's difference names the tables."""
    for name in ("CARTCTL_CLUSTER__SECRET", "CARTCTL_HTTP__TOKEN"):
        monkeypatch.setenv(name, "x")  # their files were the sandbox's
    environment = load_environment(str(CASES / "cartctl.toml"), "sandbox")
    deployed = state_of(DEPLOYED)
    assert deployed.evidence
    with Ports(environment) as ports:
        known = kinds(ports)
        for key, evidence in {**deployed.touched, **state_of(ROLLED_BACK).touched}.items():
            change = known[evidence.kind](key, evidence.names)
            for recorded in (evidence.before, *evidence.to):
                assert dump(change, load(change, recorded)) == recorded
    difference = own_difference(deployed.results, None)  # type: ignore[arg-type] # recorded, so nothing is compared
    assert "table public.carts" in difference.added


@pytest.mark.parametrize("run", (DEPLOYED, ROLLED_BACK, ROLLBACK))
def test_the_report_has_the_fields_of_before(run: str) -> None:
    """Every field that `report -o json` wrote then is there now, with the same value."""
    then = json.loads((CASES / f"report-{run}.json").read_text())
    now = document(report(FileJournal(CASES).events(run)))
    assert list(differences(then, json.loads(json.dumps(now)))) == []


def test_a_manifest_is_read() -> None:
    """Its tables and files; that it recorded no state of the whole database is known, not guessed."""
    manifest = parse_manifest((CASES / "manifest.json").read_bytes(), f"run-{ROLLED_BACK}")
    assert {"carts", "companies"} <= {table.name for table in manifest.tables}
    assert (manifest.state, bool(manifest.files)) == (None, True)


def differences(then: Any, now: Any, place: str = "") -> list[str]:
    """Fields that are missing or have another value."""
    if isinstance(then, dict) and isinstance(now, dict):
        missing = [f"{place}.{name} is missing" for name in then.keys() - now.keys()]
        inner = [differences(then[name], now[name], f"{place}.{name}") for name in then.keys() & now.keys()]
        return [*missing, *(line for lines in inner for line in lines)]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [
            line
            for number, pair in enumerate(zip(then, now, strict=True))
            for line in differences(*pair, f"{place}[{number}]")
        ]
    return [] if then == now else [f"{place}: {then!r} → {now!r}"]
