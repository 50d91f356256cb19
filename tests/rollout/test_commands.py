"""The command lines of the rollout and the flags: exit codes, JSON, text, and bad input that changes nothing."""

import json
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.cli import app
from cartctl.engine.lock import RunLock
from cartctl.engine.pulse import Pulse
from cartctl.errors import LockLost
from cartctl.plans.rollout.inputs import open_inputs


def run(field: Any, *argv: str, code: int = 0) -> Any:
    """One command with `-o json`: its last JSON document."""
    done = CliRunner().invoke(app, [*argv, "--config", str(field.sandbox.layout.config), "-o", "json"])
    assert done.exit_code == code, done.output
    text = done.stdout.strip()
    if not text:
        return {}
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return json.loads(text.splitlines()[-1])


def text_of(field: Any, *argv: str) -> str:
    """One command as a person reads it."""
    done = CliRunner().invoke(app, [*argv, "--config", str(field.sandbox.layout.config)])
    assert done.exit_code == 0, done.output
    return done.stdout


def started(field: Any) -> None:
    """A rollout that began on the database's own date."""
    with field.sandbox.superuser.session("test") as connection:
        row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    run(field, "rollout", "start", "--date", str(row[0]), "--yes", "--why", "day zero")


@pytest.mark.parametrize(
    ("argv", "code", "expected"),
    (
        (("rollout", "set", "--percent", "101", "--force", "--yes"), 2, "Invalid percentage"),
        (("rollout", "set", "--percent", "many", "--force", "--yes"), 2, "Invalid percentage"),
        (("rollout", "set", "--percent", "10", "--yes"), 3, "outside the schedule requires --force"),
        (("rollout", "set", "--percent", "10", "--force"), 3, "Cannot prompt without a terminal"),
        (("rollout", "start", "--date", "2020-01-01", "--yes"), 2, "is in the past"),
        (("rollout", "start", "--date", "someday", "--yes"), 2, "someday"),
        (("rollout", "start", "--yes"), 2, "missing start date"),
        (("rollout", "advance", "--yes"), 3, "No rollout has been started"),
        (("rollout", "advance", "--force", "--yes"), 2, "--force requires --why"),
        (("rollout", "advance", "--auto", "--force", "--why", "x"), 2, "excludes"),
        (("rollout", "hold"), 3, "No rollout has been started"),
        (("flags", "set", "FEATURE_X", "on", "--yes"), 2, "unknown flag 'FEATURE_X'"),
        (("flags", "set", "FEATURE_CART_MANAGEMENT", "maybe", "--yes"), 2, "maybe"),
        (("flags", "eval", "--company", "nobody"), 2, "unknown company 'nobody'"),
        (("flags", "undo", "--yes"), 3, "No flag changes by cartctl"),
    ),
)
def test_bad_input_is_named_and_changes_nothing(
    field: Any, argv: tuple[str, ...], code: int, expected: str
) -> None:
    """A sentence that says what, exit code 2 or 3, and the flags as they were."""
    before = field.sandbox.cluster.settings("cart-flags")
    error = run(field, *argv, code=code)
    assert error["kind"] == "error"
    assert expected in error["message"]
    assert error["hint"]
    assert field.sandbox.cluster.settings("cart-flags") == before


@pytest.mark.parametrize(
    ("value", "expected"),
    (
        ('stages = ["0-2 internal", "1-5 10%"]', "overlap"),
        ('stages = ["0-5 50%", "6-9 25%"]', "must ascend"),
        ('stages = ["0-5 150%"]', "from 0 to 100"),
        ("companies = { sql = 'SELECT id FROM companies', beta = ['stranger'] }", "not a company: stranger"),
        ("companies = { allocation = 'exact' }", "needs either"),
        ('calendar = { zone = "Mars" }', "not a known time zone"),
    ),
)
def test_a_file_that_cannot_be_meant(field: Any, tmp_path: Path, value: str, expected: str) -> None:
    """Stages, companies and calendars that cannot be are named with exit code 2."""
    key = value.partition(" ")[0]
    lines = field.sandbox.layout.config.read_text().splitlines()
    section = lines.index("[env.sandbox.rollout]")
    end = next((at for at in range(section + 1, len(lines)) if lines[at].startswith("[")), len(lines))
    kept = [line for line in lines[section + 1 : end] if not line.startswith(key)]
    rest = "\n".join(lines[end:])
    for table in (f"[env.sandbox.rollout.{key}]",):
        rest = "\n\n".join(part for part in rest.split("\n\n") if table not in part)
    path = tmp_path / "cartctl.toml"
    path.write_text("\n".join([*lines[: section + 1], *kept, value, "", rest]))
    done = CliRunner().invoke(app, ["rollout", "preview", "--config", str(path), "-o", "json"])
    assert (done.exit_code, expected in json.loads(done.stdout)["message"]) == (2, True), done.stdout


def test_a_rollout_by_its_commands(field: Any) -> None:
    """Started, shown, previewed, advanced by itself, set, held, aborted: every result as JSON and as text."""
    started(field)
    shown = run(field, "rollout", "status", "--no-gates")
    assert (shown["kind"], shown["day"], shown["stage"], shown["eligible"]) == ("rollout", 0, "internal", 39)
    assert shown["timeline"][0]["state"] == "now"
    preview = run(field, "rollout", "preview")
    assert [stage["enabled"] for stage in preview["stages"]] == [0, 0, 1, 10, 20, 30, 39]
    assert {"stage", "percent", "eligible", "target", "enabled", "added", "removed"} <= set(
        preview["stages"][0]
    )
    result = run(field, "rollout", "advance", "--auto")
    assert (result["kind"], result["why"].partition(" on ")[0]) == (
        "unmoved",
        "Nothing is due: shadow is due",
    )
    assert run(field, "rollout", "advance", "--yes", code=3)["message"].startswith(
        "Nothing is due: shadow is due on"
    )
    assert (
        run(field, "rollout", "set", "--percent", "25", "--force", "--yes", "--why", "a demo")["exit_code"]
        == 0
    )
    who = preview["stages"][3]["companies"][0]
    assert set(run(field, "flags", "eval", "--company", who)["flags"].values()) == {True}
    assert field.ask(who)["flags"] == run(field, "flags", "eval", "--company", who)["flags"]
    assert run(field, "rollout", "hold", "--why", "a question")["outcome"] == "succeeded"
    text = text_of(field, "rollout", "status", "--no-gates")
    assert "on hold: a question" in text
    assert "today" in text
    assert "a demo (forced)" in text
    assert "rollout, 25 % of companies, exact" in text_of(field, "flags", "list")
    assert "in the cohort" in text_of(field, "flags", "eval", "--company", who)
    assert "for comparison" in text_of(field, "rollout", "preview")
    assert run(field, "rollout", "abort", "--yes")["outcome"] == "succeeded"
    assert run(field, "rollout", "status", "--no-gates")["state"] == "aborted"
    runs = run(field, "history")["runs"]
    assert [one["plan"] for one in runs] == ["rollout"] * 4
    [changed] = [one["run"] for one in runs if one["asked"]["action"] == "set"]
    assert run(field, "report", changed)["asked"]["enabled"] == 10
    assert "0 % to 25 %, 10 of 39 companies enabled (10 added, 0 removed): a demo" in text_of(
        field, "report", changed
    )
    kept = field.sandbox.cluster.settings("cartctl-journal")
    assert not [key for key in kept if key[0].isdigit()]  # kept for deployments to be taken back from


def test_gates_are_part_of_the_status(field: Any) -> None:
    """Figures, triggers, smoke, logs and the past are each told with a verdict."""
    started(field)
    gates = {gate["name"]: gate["verdict"] for gate in run(field, "rollout", "status")["gates"]}
    assert {"db connections", "error rate", "error rate before", "triggers", "smoke", "logs"} <= set(gates)
    assert (gates["triggers"], gates["smoke"]) == ("pass", "pass")


def test_the_days_are_the_databases_own(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop whose clock is a month ahead does not change the day of the rollout."""
    started(field)

    class Ahead(datetime):
        """A clock that jumped."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            """A month ahead."""
            return datetime.now(tz) + timedelta(days=31)

    monkeypatch.setattr("cartctl.plans.rollout.inputs.datetime", Ahead)
    assert run(field, "rollout", "status", "--no-gates")["day"] == 0


def test_a_holder_that_hangs_is_named_and_ended_by_force(field: Any) -> None:
    """Nobody, then a name and exit code 8; by force it has lost the lock, which is recorded, and nobody holds it any more."""
    assert run(field, "unlock")["former"] is None
    with field.ports() as ports, open_inputs(ports) as inputs:
        lock = RunLock(ports.state, inputs.journals.owned, "20990101-000000-aaaa", Pulse())
        with lock:
            assert "20990101-000000-aaaa" in run(field, "unlock", code=8)["message"]
            assert "20990101-000000-aaaa" in run(field, "unlock", "--force")["former"]
            with pytest.raises(LockLost):
                lock.confirm()
        kept = inputs.journals.replicated.events("20990101-000000-aaaa")
    assert "forced" in {event.event for event in kept}
    assert run(field, "unlock")["former"] is None
