"""What a deployment is expected to take: from earlier runs and rehearsals, each number with its source, and none without."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Environment
from cartctl.engine.events import RUN, Event, EventKind
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.model import Restore, Run, Skip
from cartctl.engine.prediction import PhasePrediction, Prediction, TableLock, strongest
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import report
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.plans.execution.phases import Phase
from cartctl.plans.execution.prediction import NO_LOCKS, predict
from cartctl.plans.execution.preview import Plan
from cartctl.plans.execution.step_factories import migrate
from cartctl.ports import Ports
from cartctl.render.markdown import write as write_markdown
from cartctl.render.predicted import compared_rows
from cartctl.steps.database.migrate import Migrate
from tests.database.test_migrate import run_sql
from tests.render.test_results import text

BEGAN = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)
PLATFORM = ("public.companies", "public.customers", "public.products", "public.sites")
ALL = tuple(migration.name for migration in MIGRATIONS)
INTENDED = {"kind": "maintenance", "names": ["m"], "before": {"m": 0}, "to": {"m": 1}}
PHASES = {
    "migration": {"2 Migration": ["maintenance.on", "migrate", "maintenance.off"]},
    "plan": {"2 Migration": ["maintenance.on", "migrate"], "5 Verification": ["maintenance.off"]},
}
LOCK = TableLock("public.sites", "SHARE ROW EXCLUSIVE", 0.25)


@pytest.fixture
def journal(tmp_path: Path) -> ReplicatedJournal:
    """An empty journal."""
    return ReplicatedJournal(FileJournal(tmp_path / "runs"), [])


@pytest.fixture
def ports(platform_database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ports]:
    """An environment whose migrations are pending."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    yield from _ports(platform_database)


def _ports(database: Postgres) -> Iterator[Ports]:
    env = Environment.model_validate({"name": "test", "database": {"dsn": database.dsn}})
    with Ports(env) as opened:
        yield opened


def record(
    journal: ReplicatedJournal,
    day: int,
    *,
    plan: str = "deploy",
    outcome: str = "succeeded",
    migrations: tuple[str, ...] = ALL,
    more: Mapping[str, object] | None = None,
    **seconds: float,
) -> None:
    """A run of that day whose steps took so long; a deployment that migrated held LOCK and applied `migrations`."""
    run, at = f"202611{day:02}-020000-abcd", BEGAN + timedelta(days=day)
    started = {
        "plan": plan,
        "env": "test",
        "locks": [asdict(LOCK)],
        "with_data": None,
        "migrations": list(migrations),
        **(more or {}),
    }
    journal.append(Event(run, at, RUN, EventKind.STARTED, started))
    for key, took in seconds.items():
        at += timedelta(seconds=took)
        name = key.replace("_", " " if plan == "rehearse" else ".")
        if key == "maintenance_on":
            journal.append(Event(run, at, name, EventKind.INTENDED, INTENDED))
        event = EventKind.RESTORED if key == "maintenance_off" else EventKind.APPLIED
        held = {"applied": list(migrations), "locks": [asdict(LOCK)]} if key == "migrate" and took else {}
        of = {"of": "maintenance.on"} if key == "maintenance_off" else {"result": held}
        journal.append(Event(run, at, name, event, {"seconds": took, **of}))
    journal.append(Event(run, at, RUN, EventKind.FINISHED, {"outcome": outcome, "exit_code": 0}))


def phases(ports: Ports) -> tuple[Phase, ...]:
    """Two phases: one that migrates, one with a revert and a step that is skipped."""
    return (
        Phase("Migration", "", (migrate(ports),)),
        Phase("End", "", (Restore("workers.start", of="workers.stop"), Skip("cdn", "not configured"))),
    )


def test_without_data_there_is_no_number(ports: Ports, journal: ReplicatedJournal) -> None:
    """Neither for a phase nor for the downtime or a lock; failed runs are no data."""
    record(journal, 1, outcome="failed", migrate=9.0, workers_start=9.0)
    expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    assert [phase.seconds for phase in expected.phases] == [None, None]
    assert (expected.downtime_seconds, expected.locks, expected.locks_source) == (None, (), NO_LOCKS)
    shown = text(Plan("deploy", "test", (), prediction=expected)).split("expected", 1)[1]
    assert shown.count("unknown") == 3
    assert not any(character.isdigit() for character in shown)


def test_a_rehearsal_stands_in_for_the_migration_alone(ports: Ports, journal: ReplicatedJournal) -> None:
    """Its time, its locks, and as downtime the shortest one to expect, each with its date and what the copy held."""
    record(journal, 1, plan="rehearse", migrate_and_verify=0.5)
    expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    source = "rehearsal of 2026-11-02, without rows"
    assert [(phase.seconds, phase.source) for phase in expected.phases] == [
        (0.5, source),
        (None, "no earlier deployment"),
    ]
    assert (expected.downtime_seconds, expected.downtime_source) == (0.5, f"the migration alone: {source}")
    assert (expected.locks, expected.locks_source) == ((LOCK,), source)


def test_a_rehearsal_with_rows_names_the_size_of_its_copy(ports: Ports, journal: ReplicatedJournal) -> None:
    """Rows decide how long a migration takes; the size is missing in journals of earlier versions, and says nothing without rows."""
    for day, more, shown in (
        (1, {"with_data": "run-1", "bytes": 1_288_490_189}, "rehearsal of 2026-11-02 on 1.2 GiB, with run-1"),
        (2, {"with_data": "run-1"}, "rehearsal of 2026-11-03, with run-1"),
        (3, {"bytes": 1_288_490_189}, "rehearsal of 2026-11-04, without rows"),
    ):
        record(journal, day, plan="rehearse", more=more, migrate_and_verify=0.5)
        assert predict(ports, phases(ports), timedelta(), journal).locks_source == shown


@pytest.mark.parametrize("mode", ("migration", "plan"))
def test_a_downtime_of_the_other_maintenance_mode_is_no_data(
    ports: Ports, journal: ReplicatedJournal, mode: str
) -> None:
    """What a whole plan in maintenance took says nothing of a migration in maintenance, and the other way round."""
    other = {"migration": "plan", "plan": "migration"}[mode]
    env = ports.env.model_copy(update={"maintenance": mode})
    with Ports(env) as opened:
        record(
            journal, 1, more={"phases": PHASES[other]}, maintenance_on=8.0, migrate=1.0, maintenance_off=8.0
        )
        expected = predict(opened, phases(opened), timedelta(), journal)
        source = f'no earlier deployment with the same migrations and maintenance = "{mode}"'
        assert (expected.downtime_seconds, expected.downtime_source) == (None, source)
        assert expected.phases[0].seconds == 1.0  # the migration itself takes as long in both
        record(
            journal, 2, more={"phases": PHASES[mode]}, maintenance_on=2.0, migrate=1.0, maintenance_off=2.0
        )
        expected = predict(opened, phases(opened), timedelta(), journal)
        assert (expected.downtime_seconds, expected.downtime_source) == (3.0, "the last deployment")


def test_deployments_count_by_their_median(ports: Ports, journal: ReplicatedJournal) -> None:
    """Those that succeeded; for the migration those that applied some, as this one will."""
    for day, took in enumerate((0.0, 4.0, 1.0, 2.0), 1):
        record(journal, day, migrate=took, workers_start=took)
    record(journal, 9, outcome="rolled_back", migrate=50.0, workers_start=50.0)
    record(journal, 10, plan="rehearse", migrate_and_verify=99.0)
    expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    assert [(phase.seconds, phase.source) for phase in expected.phases] == [
        (2.0, "median of 3 deployments"),
        (1.5, "median of 4 deployments"),
    ]
    assert expected.locks_source == "run 20261104-020000-abcd"


def test_other_migrations_are_no_data(ports: Ports, journal: ReplicatedJournal) -> None:
    """A deployment or rehearsal of fewer migrations says nothing of these; its other steps count."""
    record(journal, 1, plan="rehearse", migrate_and_verify=99.0, migrations=ALL[:1])
    record(journal, 2, migrate=4.0, workers_start=1.0, migrations=ALL[:1])
    expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    assert [phase.seconds for phase in expected.phases] == [None, 1.0]
    assert (expected.downtime_seconds, expected.locks, expected.locks_source) == (None, (), NO_LOCKS)


def test_a_migration_without_locks_counts_as_one(
    migrated: Postgres, journal: ReplicatedJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions recorded it: its time is not that of a deployment with nothing to migrate."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    record(journal, 1, workers_start=1.0)
    run, at = "20261103-020000-abcd", BEGAN + timedelta(days=2)
    journal.append(Event(run, at, RUN, EventKind.STARTED, {"plan": "deploy", "env": "test"}))
    done = {"seconds": 60.0, "result": {"applied": list(ALL)}}
    journal.append(Event(run, at, "migrate", EventKind.APPLIED, done))
    journal.append(Event(run, at, RUN, EventKind.FINISHED, {"outcome": "succeeded", "exit_code": 0}))
    for ports in _ports(migrated):
        expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    assert expected.phases[0].seconds is None


def test_without_pending_migrations_neither_locks_nor_rehearsals_count(
    migrated: Postgres, journal: ReplicatedJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that has nothing to migrate is like those that had nothing to migrate."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    record(journal, 1, migrate=4.0)
    record(journal, 2, migrate=0.0)
    record(journal, 3, plan="rehearse", migrate_and_verify=99.0)
    for ports in _ports(migrated):
        expected = predict(ports, phases(ports), timedelta(minutes=30), journal)
    assert (expected.phases[0].seconds, expected.phases[0].source) == (0.0, "the last deployment")
    assert (expected.locks, expected.locks_source) == ((), "no pending migrations")
    assert expected.downtime_seconds is None


def test_what_no_rollback_reverts_is_listed(ports: Ports, journal: ReplicatedJournal) -> None:
    """The steps say it; a step that is skipped does nothing."""
    [line] = predict(ports, phases(ports), timedelta(), journal).irreversible
    assert line.startswith("the tables")


def test_a_migration_records_what_it_locked(platform_database: Postgres, tmp_path: Path) -> None:
    """The tables that ours refer to: writes to them wait, reads do not. Neither other tables nor our own are in the list."""
    run_sql(platform_database, "CREATE TABLE ledger_of_others (id int)")
    env = Environment.model_validate({"name": "test", "database": {"dsn": platform_database.dsn}})
    step = Migrate(platform_database, env.database)
    run = Run("20261101-020000-abcd", "test", BEGAN, tmp_path, "running", {})
    locks = [TableLock(**lock) for lock in step.perform(run, Pulse())["locks"]]
    assert tuple(lock.table for lock in locks) == PLATFORM
    assert {(lock.mode, lock.blocks) for lock in locks} == {("SHARE ROW EXCLUSIVE", "writes")}
    assert all(0 < lock.seconds < 60 for lock in locks)


def test_a_table_is_listed_once_with_its_strongest_lock() -> None:
    """Of several transactions, the strongest mode and the longest time."""
    locks = [
        TableLock("b", "SHARE", 3.0),
        TableLock("b", "ACCESS EXCLUSIVE", 1.0),
        TableLock("a", "SHARE", 2.0),
    ]
    assert strongest(locks) == (TableLock("a", "SHARE", 2.0), TableLock("b", "ACCESS EXCLUSIVE", 3.0))
    assert [lock.blocks for lock in strongest(locks)] == ["writes", "reads and writes"]


def test_a_report_shows_expected_beside_measured(
    ports: Ports, journal: ReplicatedJournal, tmp_path: Path
) -> None:
    """What the first event recorded, whatever later runs took; in text, Markdown and JSON alike."""
    record(journal, 1, migrate=4.0, workers_start=1.0)
    expected = predict(ports, phases(ports), timedelta(), journal)
    run = "20261109-020000-abcd"
    started = {
        "plan": "deploy",
        "env": "test",
        "phases": {"Migration": ["migrate"], "End": ["workers.start"]},
        "prediction": json.loads(json.dumps(expected.to_json())),
    }
    held = [asdict(replace(LOCK, seconds=0.5))]
    events = [
        Event(run, BEGAN, RUN, EventKind.STARTED, started),
        Event(run, BEGAN, "migrate", EventKind.APPLIED, {"seconds": 6.0, "result": {"locks": held}}),
        Event(run, BEGAN, RUN, EventKind.FINISHED, {"outcome": "failed", "exit_code": 5}),
    ]
    shown = report(events)
    assert shown.prediction == expected
    assert [(row.name, row.expected, row.measured) for row in compared_rows(shown)] == [
        ("Migration", 4.0, 6.0),
        ("End", 1.0, None),
        ("downtime", None, None),
        ("lock on public.sites", 0.25, 0.5),
    ]
    page = tmp_path / "report.md"
    with page.open("w") as stream:
        write_markdown(shown, stream)
    assert "| Migration | 4.0 s | 6.0 s | the last deployment |" in page.read_text()
    assert expected.irreversible
    for written in (page.read_text(), text(shown)):
        assert expected.irreversible[0].split(":")[0] in written.partition("Not reverted by a rollback:")[2]
    assert [*compared_rows(shown)][-1].source.endswith(f"writes wait; {expected.locks_source}")
    assert "Migration" in text(shown).split("expected", 1)[1]


def test_a_run_of_an_earlier_version_has_no_prediction() -> None:
    """Its report says nothing of it."""
    events = [Event("20261109-020000-abcd", BEGAN, RUN, EventKind.STARTED, {"plan": "deploy", "env": "test"})]
    assert report(events).prediction is None
    assert list(compared_rows(report(events))) == []


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """The report of a run that a later version made is no damaged journal."""
    expected = Prediction(
        (PhasePrediction("Migration", 4.0, "the last deployment"),), 1.0, "", (LOCK,), "", ("x",)
    )
    data = expected.to_json()
    later = {
        **data,
        "more": 1,
        "phases": [{**one, "more": 1} for one in data["phases"]],
        "locks": [{**one, "more": 1} for one in data["locks"]],
    }
    assert Prediction.from_json(later) == expected
