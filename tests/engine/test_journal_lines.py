"""What is damaged in a journal is named by file and line; it never counts as read, and hides no other run."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres, sql
from cartctl.engine.events import Event
from cartctl.engine.journal.lines import DamagedJournal, is_cut_short, to_line
from cartctl.engine.journal.replicated_journal import ReplicatedJournal, catch_up
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.errors import ConfigError
from cartctl.plans.execution.journal_file import read_journal_file
from cartctl.redaction import register
from tests.database.test_command import Cartctl

AT = datetime(2026, 12, 1, tzinfo=UTC)
STARTED = Event("r1", AT, "run", "started", {"plan": "deploy"})
INTENDED = Event(
    "r1", AT, "a", "intended", {"kind": "release", "names": ["x"], "before": {"x": 1}, "to": {"x": 2}}
)
LINES = f"{to_line(STARTED)}\n".encode(), f"{to_line(INTENDED)}\n".encode()


@pytest.fixture
def file(tmp_path: Path) -> FileJournal:
    """A local journal with one run of two events, r1."""
    (tmp_path / "runs").mkdir()
    journal = FileJournal(tmp_path / "runs")
    journal.path("r1").write_bytes(b"".join(LINES))
    return journal


@pytest.mark.parametrize(
    ("damaged", "expected"),
    (
        (b"\xff\xfe\n", "it is not UTF-8 text"),
        (b"hello\n", "it is not valid JSON"),
        (b"[" * 5000 + b"]" * 5000 + b"\n", "it is nested more than 100 levels deep"),
        (b"[]\n", "it is not an event of a run"),
        (LINES[0].replace(b'"plan"', b'"evidence": [], "plan"'), "it is not an event of a run"),
        (LINES[1].replace(b'"before": {"x": 1}, ', b""), "it is not an event of a run"),
        (LINES[1].replace(b'{"x": 1}', b"1"), "it is not an event of a run"),
        (LINES[1].replace(b'"r1"', b'"r0"'), "it belongs to another run, r0"),
        (LINES[1].replace(b'"r1"', b'"r2"'), "it belongs to another run, r2"),
        (LINES[1].replace(b"+00:00", b""), "it is not an event of a run"),
        (LINES[0].replace(b'{"plan": "deploy"}', b"[]"), "it is not an event of a run"),
        (LINES[0].replace(b'"key": "run"', b'"key": 7'), "it is not an event of a run"),
    ),
)
def test_a_damaged_line_is_named(file: FileJournal, damaged: bytes, expected: str) -> None:
    """Wherever it is read: the run, a file given with --journal (exit 2)."""
    path = file.path("r1")
    path.write_bytes(LINES[0] + damaged + LINES[1])
    with pytest.raises(DamagedJournal, match="line 2: ") as caught:
        file.events("r1")
    assert f"{path}, line 2: {expected}" in caught.value.message
    with pytest.raises(ConfigError, match="line 2: "):
        read_journal_file(path)


@pytest.mark.parametrize(
    ("action", "result"),
    (
        ("fingerprint", []),
        ("fingerprint", {"objects": ["table public.carts"]}),
        ("fingerprint", {"objects": {"table public.carts": 1}}),
        ("fingerprint", {"running": {"payment-api": "1.0.0"}}),
        ("migrate", {"applied": "20261201"}),
        ("migrate", {"difference": {"added": {}}}),
        ("migrate", {"difference": {"added": {}, "removed": {}, "changed": {"table public.carts": [{}]}}}),
        ("migrate", {"difference": {"added": ["x"], "removed": {}, "changed": {}}}),
        ("database", {"migrations": 3}),
        ("snapshot", {"at": "yesterday"}),
        ("snapshot", {"at": "2026-12-01T00:00:00"}),
        ("snapshot", {"id": 5}),
    ),
)
def test_a_result_of_another_form_is_named(file: FileJournal, action: str, result: object) -> None:
    """What a rollback or a resumed run reads back is checked where it is read, or it would end as a bug of ours."""
    good = {"hash": "x", "objects": {"table public.carts": {}}, "running": {"payment-api": {"api": "1.0.0"}}}
    applied = Event("r1", AT, "fingerprint", "applied", {"result": good})
    damaged = Event("r1", AT, action, "applied", {"result": result})
    lines = b"".join(f"{to_line(event)}\n".encode() for event in (applied, damaged))
    file.path("r1").write_bytes(LINES[0] + lines)
    with pytest.raises(DamagedJournal, match="line 3: it is not an event of a run"):
        file.events("r1")


@pytest.mark.parametrize("at", range(0, len(LINES[1]), 7))
def test_a_line_that_a_kill_cut_short_is_omitted(file: FileJournal, at: int) -> None:
    """At the end, and with the run gone on behind it."""
    file.path("r1").write_bytes(LINES[0] + LINES[1][:at])
    assert file.events("r1") == [STARTED]
    file.append(INTENDED)
    assert file.events("r1") == [STARTED, INTENDED]
    assert not is_cut_short(LINES[1].strip())
    assert not is_cut_short(LINES[1].strip() + b"}")


def test_a_damaged_run_hides_no_other(file: FileJournal, empty_database: Postgres) -> None:
    """It is listed, counts as unfinished, and keeps the others from being copied back no more than they do it."""
    file.path("r2").write_bytes(b"\xff\n")
    assert (file.runs(), file.open_runs()) == (["r2", "r1"], ["r2", "r1"])
    with closing(PostgresJournal(empty_database)) as main:
        main.prepare()
        assert (catch_up(main, file), main.events("r1")) == (2, [STARTED, INTENDED])


@pytest.mark.parametrize(
    "change",
    (
        "at = 'infinity'",
        "at = '20000-01-01'",
        "data = '[1]'",
        "data = (repeat('[', 900) || repeat(']', 900))::jsonb",
        """data = '{"plan": "deploy", "evidence": {"a": 1}}'""",
    ),
)
def test_a_damaged_row_is_named(empty_database: Postgres, change: str) -> None:
    """A row of the table that is no event: no wrong value, and no journal that is taken for gone."""
    with closing(PostgresJournal(empty_database)) as main:
        main.prepare()
        main.append(STARTED)
        with empty_database.session("test") as connection:
            connection.execute(sql.SQL(f"UPDATE cartctl_journal.event SET {change}"))
        with pytest.raises(DamagedJournal, match="run r1 in the database, event 1: "):
            ReplicatedJournal(main, []).events("r1")
        assert main.runs() == ["r1"]


def test_commands_name_the_damaged_run(empty_database: Postgres, tmp_path: Path) -> None:
    """`history` lists it beside the others; what would act on it ends with exit code 6 and its place."""
    with closing(PostgresJournal(empty_database)) as main:
        main.prepare()
        for run in ("r1", "r2"):
            main.append(Event(run, AT, "run", "started", {"plan": "deploy"}))
    with empty_database.session("test") as connection:
        connection.execute("UPDATE cartctl_journal.event SET data = '[]' WHERE run = 'r2'")
    cartctl = Cartctl(tmp_path, empty_database)
    sandbox = 'kind = "sandbox", control = "http://127.0.0.1:1", secret = "x"'
    text = cartctl.file.read_text().replace('kind = "kubernetes", context = "none"', sandbox)
    cartctl.file.write_text(text)
    listed = {run["run"]: run["outcome"] for run in cartctl.json("history")["runs"]}
    assert listed == {"r1": "unfinished", "r2": "unreadable"}
    for argv in (("report", "r2"), ("deploy", "--resume", "--yes"), ("rollback", "--yes")):
        ended = cartctl(*argv)
        assert (ended.returncode, "run r2 in the database, event 1" in ended.stderr) == (6, True), ended


def test_the_results_of_checks_are_redacted_and_storable() -> None:
    """Also below a failure, and inside a log group; the counts stay numbers."""
    register("hunter2hunter2")  # forgotten by the root conftest
    rows = [
        {
            "name": "smoke",
            "observed": "got hunter2hunter2\0",
            "groups": [{"message": "hunter2hunter2", "count": 3}],
        }
    ]
    for data in ({"checks": rows}, {"result": {"verdict": "fail", "checks": rows}}):
        text = to_line(Event("r1", datetime.now(UTC), "smoke", "failed", data))
        assert "hunter2" not in text
        assert "\\u0000" not in text
        assert '"count": 3' in text
