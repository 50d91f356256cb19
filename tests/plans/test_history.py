"""`history` and `report` as a user runs them, from the database's journal, without access to the configured cluster."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from cartctl.config.load import environment_directory, load_environment
from cartctl.engine.events import Event
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import RunLock
from cartctl.engine.pulse import Pulse
from cartctl.errors import UsageError
from cartctl.plans.reports.time_arguments import moment_option
from tests.database.test_command import Cartctl

CASES = Path(__file__).parents[1] / "cases" / "previous_version"
DEPLOYED, ROLLED_BACK, ROLLBACK = sorted(path.stem for path in CASES.glob("*.ndjson"))
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OPEN = "20261128-100000-0000"


@pytest.fixture
def cartctl(tmp_path: Path, empty_database: Postgres, monkeypatch: pytest.MonkeyPatch) -> Cartctl:
    """The program on a database with three finished runs and an unfinished one, and a cluster without a kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with closing(PostgresJournal(empty_database)) as journal:
        journal.prepare()
        for run in (DEPLOYED, ROLLED_BACK, ROLLBACK):
            for event in FileJournal(CASES).events(run):
                journal.append(event)
        began = datetime.now(UTC) - timedelta(minutes=5)
        journal.append(Event(OPEN, began, "run", "started", {"plan": "deploy", "env": "here"}))
    return Cartctl(tmp_path, empty_database)


def listed(cartctl: Cartctl, *options: str) -> list[str]:
    """The runs that `history` lists."""
    return [run["run"] for run in cartctl.json("history", *options)["runs"]]


def test_runs_are_selected_by_time_outcome_and_plan(cartctl: Cartctl) -> None:
    """Newest first; conditions on different properties must all hold, values of one are alternatives."""
    assert listed(cartctl) == [OPEN, ROLLBACK, ROLLED_BACK, DEPLOYED]
    assert listed(cartctl, "--outcome", "rolled_back") == [ROLLED_BACK]
    assert listed(cartctl, "--outcome", "rolled_back", "--outcome", "unfinished") == [OPEN, ROLLED_BACK]
    assert listed(cartctl, "--plan", "deploy", "--outcome", "succeeded") == [DEPLOYED]
    assert listed(cartctl, "--plan", "deploy", "--limit", "1") == [OPEN]
    assert listed(cartctl, "--since", "2026-11-27T23:17") == [OPEN, ROLLBACK, ROLLED_BACK]
    assert listed(cartctl, "--until", "2026-11-27T23:17:01Z", "--limit", "5") == [DEPLOYED]
    assert listed(cartctl, "--since", "2026-11-27", "--until", "2026-11-27") == [
        ROLLBACK,
        ROLLED_BACK,
        DEPLOYED,
    ]
    assert listed(cartctl, "--since", "10m", "--outcome", "succeeded") == []


@pytest.mark.parametrize(
    ("options", "message"),
    (
        (("--outcome", "ok"), "unknown value 'ok' for --outcome"),
        (("--plan", "depoly"), "unknown value 'depoly' for --plan"),
        (("--since", "yesterday"), "invalid time 'yesterday' for --since"),
        (("--since", "1d", "--until", "2d"), "--since 1d is not before --until 2d"),
        (("-o", "markdown"), "cartctl history has no Markdown output"),
    ),
)
def test_a_wrong_filter_is_named(cartctl: Cartctl, options: tuple[str, ...], message: str) -> None:
    """Exit code 2 and a hint."""
    wrong = cartctl("history", *options)
    assert (wrong.returncode, message in wrong.stderr, "hint:" in wrong.stderr) == (2, True, True)


def test_the_run_that_holds_the_lock_is_running(cartctl: Cartctl, empty_database: Postgres) -> None:
    """With the time since it began; without its lock it is unfinished, with the commands that go on."""
    with closing(PostgresJournal(empty_database)) as journal:
        with RunLock(empty_database, journal, OPEN, Pulse()):
            [running] = cartctl.json("history", "--outcome", "running")["runs"]
            assert cartctl.json("report")["outcome"] == "running"
        assert (running["run"], 290 < running["seconds"] < 600, running["next_command"]) == (OPEN, True, "")
    [unfinished] = cartctl.json("history", "--outcome", "unfinished")["runs"]
    assert "cartctl deploy --resume" in unfinished["next_command"]
    assert listed(cartctl, "--outcome", "running") == []


def test_a_report_has_reasons_in_every_format(cartctl: Cartctl, tmp_path: Path) -> None:
    """Text, JSON, Markdown and a page; the cause and what was skipped are among them."""
    text, markdown = cartctl("report", ROLLED_BACK), cartctl("report", ROLLED_BACK, "-o", "markdown")
    for words in ("rolled", "not configured", "CrashLoopBackOff", "2026-11-27 23:17:01 UTC"):
        assert words in text.stdout
        assert words in markdown.stdout
    assert "| announce | skipped |  | not configured |" in markdown.stdout
    steps = {step["key"]: step["reason"] for step in cartctl.json("report", ROLLED_BACK)["steps"]}
    assert steps["announce"] == "not configured"
    assert "CrashLoopBackOff" in steps["release.api"]
    page = tmp_path / "out" / "report.html"
    written = cartctl.json("report", ROLLED_BACK, "--html", str(page))
    assert written == {
        "kind": "written_report",
        "version": 1,
        "run": ROLLED_BACK,
        "file": str(page),
        "bytes": page.stat().st_size,
    }


def test_what_cannot_be_reported_is_named_and_nothing_is_written(cartctl: Cartctl, tmp_path: Path) -> None:
    """An unknown run, and a path that is a directory, for a run's own report too."""
    page = tmp_path / "report.html"
    unknown = cartctl("report", "20200101-000000-ffff", "--html", str(page))
    assert (unknown.returncode, page.exists()) == (3, False)
    assert "Run 20200101-000000-ffff not found." in unknown.stderr
    for command in (("report", "--html"), ("deploy", "--yes", "--report"), ("rollback", "--yes", "--report")):
        wrong = cartctl(*command, str(tmp_path))
        assert (wrong.returncode, f"{tmp_path} is a directory" in wrong.stderr) == (2, True), wrong.stderr
    assert listed(cartctl) == [OPEN, ROLLBACK, ROLLED_BACK, DEPLOYED]


def test_the_local_journal_suffices_without_database_and_cluster(
    tmp_path: Path, empty_database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is gone, the cluster has no kubeconfig: what this machine knows is listed."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    gone = Postgres(make_conninfo(empty_database.dsn, dbname="gone"))
    here = Cartctl(tmp_path, gone)
    local = environment_directory(load_environment(str(here.file), None)) / "runs"
    local.mkdir(parents=True)
    (local / f"{DEPLOYED}.ndjson").write_bytes((CASES / f"{DEPLOYED}.ndjson").read_bytes())
    shown = here("history")
    assert (shown.returncode, DEPLOYED in shown.stdout) == (0, True), shown.stderr


@pytest.mark.parametrize(
    ("text", "moment"),
    (
        ("90m", NOW - timedelta(minutes=90)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T02:30", datetime(2026, 12, 1, 2, 30, tzinfo=UTC)),
        ("2026-12-01 02:30+02:00", datetime(2026, 12, 1, 0, 30, tzinfo=UTC)),
    ),
)
def test_moments_are_durations_ago_dates_or_times(text: str, moment: datetime) -> None:
    """In UTC without an offset."""
    assert moment_option("--since", text, now=NOW) == moment


@pytest.mark.parametrize("text", ("", "5x", "2026-13-01", "99999999999999d", "0001-01-01T00:00+23:59"))
def test_other_moments_are_refused(text: str) -> None:
    """Also those that no clock shows."""
    with pytest.raises(UsageError, match="invalid time"):
        moment_option("--since", text, now=NOW)


def test_a_date_as_the_end_includes_its_day() -> None:
    """And a time does not."""
    assert moment_option("--until", "2026-12-31", end_of_day=True) == datetime(2027, 1, 1, tzinfo=UTC)
    assert moment_option("--until", "2026-12-31T00:00", end_of_day=True) == datetime(2026, 12, 31, tzinfo=UTC)
