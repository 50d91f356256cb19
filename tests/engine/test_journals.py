"""The journals apart from the database: local files, replicas, the cluster's copy, and what is recorded in them."""

import logging
import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.engine.events import Event
from cartctl.engine.journal.cluster_copy import CONFIGMAP, MARK, MAX_RUNS, ClusterJournal
from cartctl.engine.journal.lines import DamagedJournal, to_line
from cartctl.engine.journal.recorder import EventRecorder
from cartctl.engine.journal.replicated_journal import ReplicatedJournal, catch_up
from cartctl.engine.journal.sentences import recordable
from cartctl.engine.journal.stores import RECENT, FileJournal
from cartctl.engine.outcome import Outcome
from cartctl.engine.state import State
from cartctl.errors import StepFailed
from cartctl.redaction import register

AT = datetime(2026, 12, 1, 2, tzinfo=UTC)


def event(run: str, name: str, after: float = 0, key: str = "run", **data: Any) -> Event:
    """An event so many seconds after midnight."""
    return Event(run, AT + timedelta(seconds=after), key, name, data)


def begin(journal: FileJournal, *runs: str, end: bool = False) -> None:
    """Runs that have started, and maybe ended."""
    for run in runs:
        journal.append(event(run, "started", plan="deploy"))
        if end:
            journal.append(event(run, "finished", 1, outcome="succeeded"))


class Failing(FileJournal):
    """A file journal whose writes or reads fail from when `error` is set."""

    error: Exception | None = None

    def append(self, event: Event) -> None:
        """Until then."""
        if self.error:
            raise self.error
        super().append(event)

    def events(self, run: str) -> list[Event]:
        """Until then."""
        if self.error:
            raise self.error
        return super().events(run)


def test_files_are_private_and_each_event_has_a_line(tmp_path: Path) -> None:
    """0600 in a 0700 directory, whatever the umask."""
    journal = FileJournal(tmp_path / "runs")
    begin(journal, "r1", end=True)
    path = journal.path("r1")
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("r1.ndjson", 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.read_text().splitlines()) == 2
    assert path.read_bytes().endswith(b"}\n")
    assert journal.events("r2") == []


def test_a_torn_line_is_ended_before_the_next_event(tmp_path: Path) -> None:
    """Also where a single byte was written; an empty file needs nothing."""
    journal = FileJournal(tmp_path)
    for torn in (b"", b"{", b'{"run": "r1", '):
        journal.path("r1").write_bytes(torn)
        journal.append(event("r1", "started", plan="x"))
        assert journal.path("r1").read_bytes().count(b"\n") == (2 if torn else 1)
        assert [each.event for each in journal.events("r1")] == ["started"]


def test_runs_are_listed_newest_first_and_open_ones_are_those_without_an_end(tmp_path: Path) -> None:
    """A run that never started (it had no lock) does not count; among the open ones only the newest are searched."""
    journal = FileJournal(tmp_path)
    begin(journal, "r03", "r01")
    begin(journal, "r02", end=True)
    journal.append(event("r04", "acquired", key="lock"))
    journal.append(event("r05", "finished", key="a"))
    assert (journal.runs(), journal.open_runs()) == (["r03", "r02", "r01"], ["r03", "r01"])
    begin(journal, *(f"s{number:02}" for number in range(RECENT - 2)), end=True)
    assert journal.open_runs() == ["r03"]
    begin(journal, "s99", end=True)
    assert journal.open_runs() == ["r03"]
    begin(journal, "t", end=True)
    assert journal.open_runs() == []


def test_another_steps_end_is_not_the_runs(tmp_path: Path) -> None:
    """Only run finished ends a run."""
    journal = FileJournal(tmp_path)
    begin(journal, "r1")
    journal.append(event("r1", "finished", 1, key="stop"))
    journal.append(event("r1", "interrupted", 2))
    assert journal.open_runs() == ["r1"]


def test_the_directory_stays_with_its_own_database(tmp_path: Path) -> None:
    """A new database's journal begins in a new directory; every former one is kept under a name of its own."""
    journal = FileJournal(tmp_path / "runs")
    for identity in ("11111111-a", "11111111-b", "22222222-c", "22222222-c"):
        (tmp_path / "runs").mkdir(exist_ok=True)
        journal.belong_to(identity)
        begin(journal, f"r{identity[0]}{identity[-1]}")
    assert journal.runs() == ["r2c"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "runs",
        "runs_11111111",
        "runs_11111111_2",
    ]
    assert (tmp_path / "runs" / "journal.id").read_text() == "22222222-c"


def test_every_journal_has_every_event(tmp_path: Path) -> None:
    """The database first; a replica that fails loses its own copy alone."""
    main, full, good = (Failing(tmp_path / name) for name in ("main", "full", "good"))
    full.error = OSError("full")
    journal = ReplicatedJournal(main, [full, good])
    journal.append(event("r1", "started", plan="x"))
    assert [len(each.runs()) for each in (main, good)] == [1, 1]
    assert (journal.events("r1"), journal.runs(), journal.open_runs()) == (main.events("r1"), ["r1"], ["r1"])
    assert not journal.behind


def test_the_databases_runs_count_as_long_as_it_is_reachable(tmp_path: Path) -> None:
    """A replica may know others, of another time; without the database its own count."""
    main, file = FileJournal(tmp_path / "main"), FileJournal(tmp_path / "file")
    begin(main, "r1")
    begin(main, "r2", end=True)
    begin(file, "r3")
    journal = ReplicatedJournal(main, [file])
    assert (journal.runs(), journal.open_runs()) == (["r2", "r1"], ["r1"])
    assert len(journal.events("r3")) == 1  # as of a run from before the database was made anew
    journal.behind = True
    assert (journal.runs(), journal.open_runs()) == (["r3"], ["r3"])


def test_a_write_that_the_database_refuses_is_an_error_until_it_is_optional(tmp_path: Path) -> None:
    """From then on the replicas are enough, and the database is not asked again."""
    main, file = Failing(tmp_path / "main"), FileJournal(tmp_path / "file")
    journal = ReplicatedJournal(main, [file])
    main.error = SqlFailed("away")
    with pytest.raises(SqlFailed):
        journal.append(event("r1", "started", plan="x"))
    assert file.events("r1") == []
    journal.make_database_optional()
    journal.append(event("r1", "started", plan="x"))
    assert (journal.behind, len(file.events("r1"))) == (True, 1)
    main.error = None
    journal.append(event("r1", "undoing", 1))
    assert (main.events("r1"), len(journal.events("r1"))) == ([], 2)
    assert (journal.runs(), journal.open_runs()) == (["r1"], ["r1"])


def test_an_event_that_no_journal_took_is_an_error(tmp_path: Path) -> None:
    """With the last reason; a database that failed before is remembered."""
    main, file = Failing(tmp_path / "main"), Failing(tmp_path / "file")
    journal = ReplicatedJournal(main, [file])
    journal.make_database_optional()
    main.error = SqlFailed("away")
    file.error = OSError("full")
    for _ in range(2):
        with pytest.raises(StepFailed, match="No journal accepted the event run started: full"):
            journal.append(event("r1", "started"))
    alone = ReplicatedJournal(main, [])
    alone.make_database_optional()
    for _ in range(2):
        with pytest.raises(StepFailed, match="away"):
            alone.append(event("r1", "started"))
    with pytest.raises(StepFailed, match="run started: None"):
        ReplicatedJournal(None, []).append(event("r1", "started"))


@pytest.mark.parametrize("error", (SqlFailed("gone"), DatabaseUnreachable("gone")))
def test_a_database_that_cannot_be_read_is_an_error_until_it_is_optional(
    tmp_path: Path, error: Exception
) -> None:
    """Then the replicas' events count; damage is never passed over."""
    main, file = Failing(tmp_path / "main"), FileJournal(tmp_path / "file")
    begin(file, "r1")
    journal = ReplicatedJournal(main, [file])
    assert len(journal.events("r1")) == 1
    main.error = error
    with pytest.raises(type(error)):
        journal.events("r1")
    journal.make_database_optional()
    assert (len(journal.events("r1")), journal.behind) == (1, True)
    main.error = DamagedJournal("x", "y")
    damaged = ReplicatedJournal(main, [file])
    damaged.make_database_optional()
    with pytest.raises(DamagedJournal):
        damaged.events("r1")


def test_replicas_are_merged_by_time_each_event_once(tmp_path: Path) -> None:
    """Either may be incomplete."""
    one, two = FileJournal(tmp_path / "1"), FileJournal(tmp_path / "2")
    events = [
        event("r1", "started", plan="x"),
        event("r1", "undoing", 1),
        event("r1", "finished", 2, outcome="x"),
    ]
    for each in (events[0], events[2]):
        one.append(each)
    for each in events[:2]:
        two.append(each)
    begin(two, "r0")
    journal = ReplicatedJournal(None, [two, one])
    assert journal.events("r1") == events
    assert (journal.runs(), journal.open_runs(), journal.behind) == (["r1", "r0"], ["r0"], True)


def test_only_the_newest_runs_can_be_open_without_the_database(tmp_path: Path) -> None:
    """As many as can have been started while it was away."""
    file = FileJournal(tmp_path)
    begin(file, *(f"r{number:02}" for number in range(RECENT + 1)))
    assert len(ReplicatedJournal(None, [file]).open_runs()) == RECENT == 10


def test_catching_up_copies_what_is_missing_of_recent_open_runs(tmp_path: Path) -> None:
    """Settled runs are left as they are, and so is one that is damaged on either side."""
    main, file = FileJournal(tmp_path / "main"), FileJournal(tmp_path / "file")
    begin(main, "r1", end=True)
    begin(main, "r2", "r3")
    for run in ("r1", "r2", "r3"):
        begin(file, run)
        file.append(event(run, "undoing", 2, cause="x"))
    file.path("r3").write_bytes(file.path("r3").read_bytes().replace(b"undoing", b"\xff"))
    begin(file, "r4", end=True)
    assert catch_up(main, file) == 3
    assert [each.event for each in main.events("r1")] == ["started", "finished"]
    assert [each.event for each in main.events("r2")] == ["started", "undoing"]
    assert [each.event for each in main.events("r3")] == ["started"]
    assert [each.event for each in main.events("r4")] == ["started", "finished"]
    assert catch_up(main, file) == 0
    begin(file, *(f"s{number:02}" for number in range(RECENT + 2)))
    assert catch_up(main, file) == RECENT


class Settings:
    """ConfigMaps in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes = 0

    def settings(self, name: str) -> dict[str, str]:
        """All keys."""
        assert name == CONFIGMAP
        return dict(self.kept)

    def put_settings(self, name: str, changes: Mapping[str, str | None]) -> None:
        """Write or remove keys."""
        assert name == CONFIGMAP
        self.writes += 1
        self.kept = {key: text for key, text in {**self.kept, **changes}.items() if text is not None}


def test_the_cluster_has_what_a_code_rollback_reads() -> None:
    """In order, a line each; other events are left out; a full ConfigMap loses its oldest run."""
    store = Settings()
    journal = ClusterJournal(cast("Any", store))
    journal.belong_to("one")
    assert (store.kept, store.writes) == ({MARK: "one"}, 1)
    journal.belong_to("one")
    assert store.writes == 1
    for name in ("started", "began", "applied", "undoing", "finished"):
        journal.append(event("r1", name, outcome="x", plan="x"))
    assert [each.event for each in journal.events("r1")] == ["started", "undoing", "finished"]
    assert store.kept["r1"].count("\n") == 3
    assert (journal.events("r9"), journal.runs(), journal.open_runs()) == ([], ["r1"], [])
    for number in range(2, MAX_RUNS + 1):
        journal.append(event(f"r{number}", "started", plan="x"))
    assert len(journal.runs()) == MAX_RUNS == 8
    assert journal.open_runs() == [f"r{number}" for number in range(8, 1, -1)]
    journal.append(event("r1", "undoing", 5))
    assert len(journal.runs()) == MAX_RUNS
    journal.append(event("r9", "started", plan="x"))
    assert journal.runs() == [f"r{number}" for number in range(9, 1, -1)]
    journal.belong_to("two")
    assert store.kept == {MARK: "two"}


class Recorded:
    """A recorder with its parts."""

    def __init__(self, home: Path) -> None:
        self.state, self.file, self.shown = State("r1"), Failing(home), list[str]()
        self.breaks: Exception | None = None
        self.recorder = EventRecorder(self.state, ReplicatedJournal(self.file, []), self._observe)

    def _observe(self, event: Event) -> None:
        self.shown.append(event.event)
        if self.breaks:
            raise self.breaks


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Nothing is recorded yet."""
    return Recorded(tmp_path)


def test_an_event_is_journalled_then_folded_then_shown(recorded: Recorded) -> None:
    """What only begins is shown alone; one that no journal took is neither folded nor shown."""
    recorded.recorder.begin("a", "began")
    recorded.recorder.record("a", "applied", {"result": 1})
    assert [each.event for each in recorded.file.events("r1")] == ["applied"]
    assert (recorded.shown, recorded.state.results) == (["began", "applied"], {"a": 1})
    recorded.file.error = OSError("full")
    with pytest.raises(OSError, match="full"):
        recorded.recorder.record("b", "applied", {})
    assert ("b" in recorded.state.done, recorded.shown) == (False, ["began", "applied"])
    assert recorded.recorder.unwritten is None


def test_while_it_reverts_nothing_that_fails_stops_it(recorded: Recorded) -> None:
    """The state goes on; what was not written makes the outcome 5, and a broken display a bug, asked once."""
    recorded.recorder.be_best_effort()
    recorded.file.error = recorded.breaks = OSError("full")
    for _ in range(2):
        recorded.recorder.record("a", "applied", {})
    assert (set(recorded.state.done), recorded.shown) == ({"a"}, ["applied"])
    outcome = Outcome("rolled_back", 4, "smoke.")
    written = recorded.recorder.confirm_written(outcome)
    assert (written.word, written.exit_code) == ("rolled_back", 5)
    assert written.message.startswith(
        "smoke. The journal is incomplete: No journal accepted the event a applied"
    )
    assert recorded.recorder.confirm_written(Outcome("x", 0)).message.startswith("The journal is incomplete")


def test_a_display_that_breaks_before_is_an_error_once(recorded: Recorded) -> None:
    """It is not asked again."""
    recorded.breaks = ValueError("a width of 0")
    with pytest.raises(ValueError, match="width"):
        recorded.recorder.record("a", "applied", {})
    recorded.recorder.record("b", "applied", {})
    assert (recorded.shown, set(recorded.state.done)) == (["applied"], {"a", "b"})


def test_only_the_first_bug_counts_and_every_one_is_logged(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """What has a sentence of its own is no bug, whatever its exit code."""
    recorder, outcome = recorded.recorder, Outcome("rolled_back", 4, "x")
    expected = StepFailed("expected")
    assert recorder.to_error(expected) is expected
    recorder.to_error(OSError(28, "full"))
    assert (recorder.bug, caplog.records) == (None, [])
    assert recorder.conclude(outcome, left=True) is outcome
    with caplog.at_level(logging.ERROR):
        recorder.to_error(KeyError("one"))
        recorder.to_error(ValueError("two"))
    assert recorder.bug
    assert recorder.bug.message == "Unexpected KeyError: 'one'"
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert (
        recorder.conclude(outcome, left=False).exit_code,
        recorder.conclude(outcome, left=True).exit_code,
    ) == (
        1,
        5,
    )
    recorded.state.undo_failed["a"] = "no"
    assert recorder.conclude(outcome, left=False).exit_code == 5


def test_a_failure_is_recorded_with_code_message_and_hint(recorded: Recorded) -> None:
    """As the report shows it."""
    recorded.recorder.record_failure("a", StepFailed("no.", hint="Wait."))
    (failed,) = recorded.file.events("r1")
    assert (failed.key, failed.event) == ("a", "failed")
    assert failed.data == {"code": StepFailed.code, "message": "no.", "hint": "Wait."}


def test_texts_are_redacted_and_evidence_is_not() -> None:
    """In results too, one level below another result; lists of texts, and what PostgreSQL cannot store."""
    register("AlphaBravo")
    stored = recordable(
        {
            "message": "AlphaBravo\0 \ud800",
            "warnings": ["AlphaBravo", 7, ("AlphaBravo",)],
            "before": {"message": "AlphaBravo"},
            "result": {"output": "AlphaBravo", "value": "AlphaBravo", "result": {"hint": "AlphaBravo"}},
            "seconds": 1.5,
            "hint": None,
        }
    )
    assert stored == {
        "message": "***\\x00 \\ud800",
        "warnings": ["***", 7, ["***"]],
        "before": {"message": "AlphaBravo"},
        "result": {"output": "***", "value": "AlphaBravo", "result": {"hint": "***"}},
        "seconds": 1.5,
        "hint": None,
    }
    assert recordable({"result": "AlphaBravo"}) == {"result": "AlphaBravo"}
    assert "***" in to_line(event("r1", "failed", message="AlphaBravo"))
