"""The report of a run, from its events alone: outcome, times, steps, warnings and the next command."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cartctl.engine.events import Event
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.report import NotNotified, StepReport, downtime, report, saved_rows, unreadable

AT = datetime(2026, 12, 1, 2, tzinfo=UTC)


def at(seconds: float, key: str, event: str, /, **data: Any) -> Event:
    """An event so many seconds after the start."""
    return Event("r1", AT + timedelta(seconds=seconds), key, event, data)


STARTED = at(0, "run", "started", plan="deploy", env="production", asked={"to": "2.0.0"})
MAINTENANCE = {"kind": "maintenance", "names": ["m"], "before": {"m": 0}, "to": {"m": 1}}


def test_a_finished_run_has_the_facts_of_its_last_event() -> None:
    """Outcome, exit code, message, next command and warnings; the time is from its start to its end, to the millisecond."""
    end = at(
        12.34567,
        "run",
        "finished",
        outcome="failed",
        exit_code=4,
        message="smoke failed",
        next_command="cartctl history",
        warnings=["late", "late"],
    )
    shown = report([at(-5, "lock", "acquired"), STARTED, at(1, "smoke", "applied"), end])
    assert (shown.run, shown.env, shown.plan, shown.started_at) == ("r1", "production", "deploy", AT)
    assert (shown.outcome, shown.exit_code, shown.message) == ("failed", 4, "smoke failed")
    assert (shown.next_command, shown.warnings, shown.asked) == (
        "cartctl history",
        ("late",),
        {"to": "2.0.0"},
    )
    assert (shown.seconds, shown.downtime_seconds, shown.saved_rows) == (12.346, None, None)


@pytest.mark.parametrize(
    ("plan", "command"),
    (
        ("deploy", "cartctl deploy --resume, or cartctl rollback, or cartctl deploy --abandon r1"),
        ("rollback", "cartctl rollback"),
        ("rollout", "cartctl rollout advance, or cartctl rollout abort"),
    ),
)
def test_an_unfinished_run_names_the_commands_that_go_on(plan: str, command: str) -> None:
    """Exit code 5, as long as its newest event is old."""
    shown = report([at(0, "run", "started", plan=plan), at(2.5, "a", "applied")])
    assert (shown.outcome, shown.exit_code, shown.seconds) == ("unfinished", 5, 2.5)
    assert (shown.next_command, shown.message, shown.env) == (command, "", "")


def test_a_finished_run_without_a_next_command_names_none() -> None:
    """Nothing is left to do."""
    end = at(1, "run", "finished", outcome="succeeded", exit_code=0)
    assert report([STARTED, end]).next_command == ""


def test_the_first_end_counts() -> None:
    """A run that is finished does not change; other keys' events do not end it."""
    events = [STARTED, at(1, "x", "finished"), at(2, "run", "finished", outcome="succeeded", exit_code=0)]
    shown = report([*events, at(9, "lock", "acquired")])
    assert (shown.outcome, shown.exit_code, shown.seconds) == ("succeeded", 0, 2.0)


def test_events_without_a_start_or_of_an_unknown_format_are_named() -> None:
    """No events, and events that are no run's, are damage; the history lists it with its reason."""
    with pytest.raises(DamagedJournal, match="it has no events"):
        report([])
    with pytest.raises(DamagedJournal, match="run r1: its events have an unknown format") as caught:
        report([at(0, "run", "finished")])
    entry = unreadable("r1", caught.value)
    assert (entry.run, entry.outcome, entry.exit_code, entry.seconds) == ("r1", "unreadable", 6, 0.0)
    assert (entry.message, entry.steps) == (caught.value.message, ())
    assert report([at(3, "a", "applied")]).started_at == AT + timedelta(seconds=3)


def test_each_step_has_its_last_event_and_its_own_time() -> None:
    """What began only, the run itself and its lock are no steps; a failed step that was reverted has failed."""
    steps = report(
        [
            STARTED,
            at(0, "lock", "applied"),
            at(0, "stop", "applied"),
            at(0, "run", "applied"),
            at(1, "a", "intended", kind="x", names=["n"], before={"n": 1}, to={"n": 2}),
            at(2, "a", "applied", seconds=1.5),
            at(3, "b", "skipped", reason="--skip"),
            at(4, "c", "failed", message="x"),
            at(5, "c", "restored", seconds=0.25),
            at(6, "a", "restored", seconds=2.5),
            at(7, "d", "undo_failed", message="y"),
            at(8, "e", "failed", message="z", seconds=15.0),
            at(9, "e", "restored", seconds=0.5),
        ]
    ).steps
    assert steps == (
        StepReport("a", "restored", 2.5),
        StepReport("b", "skipped", 0.0, "--skip"),
        StepReport("c", "failed", 0.25, "x"),
        StepReport("d", "undo_failed", 0.0, "y"),
        StepReport("e", "failed", 15.0, "z"),  # the time of the attempt, not of its revert
    )


def test_a_failed_step_that_succeeds_when_resumed_has_succeeded() -> None:
    """Only a revert leaves a failure standing."""
    steps = report([STARTED, at(1, "c", "failed"), at(2, "c", "applied", seconds=1.0)]).steps
    assert steps == (StepReport("c", "applied", 1.0),)


def test_downtime_adds_up_every_maintenance() -> None:
    """From the request until it was verified off, the first request of each counts; to the millisecond."""
    off = {"of": "maintenance.on"}
    events = [
        at(0, "a", "intended", kind="x", names=["n"], before={"n": 1}, to={"n": 2}),
        at(10, "maintenance.on", "intended", **MAINTENANCE),
        at(12, "maintenance.on", "intended", **MAINTENANCE),
        at(13, "workers.start", "restored", of="workers.stop"),
        at(30.1234, "maintenance.off", "restored", **off),
        at(50, "maintenance.off", "restored", **off),
        at(100, "maintenance.on", "intended", **MAINTENANCE),
        at(105, "maintenance.on", "restored"),
    ]
    assert downtime(events) == 25.123
    assert downtime(events[:4]) is None
    assert downtime(events[:5]) == 20.123
    assert downtime([]) is None
    assert report([STARTED, *events]).downtime_seconds == 25.123


def test_warnings_are_those_of_actions_and_of_reverts_each_once() -> None:
    """A check's warnings are its own affair; what a revert kept is said as it is."""
    shown = report(
        [
            STARTED,
            at(1, "cache", "applied", result={"warnings": ["slow", "slow"]}),
            at(2, "smoke", "applied", result={"verdict": "warn", "warnings": ["payments"]}),
            at(3, "migrate", "failed", result={"warnings": ["never"]}),
            at(4, "text", "applied", result="done"),
            at(5, "release.api", "restored", message="env A was kept"),
            at(6, "release.web", "restored"),
            at(7, "other", "applied", message="not a remark"),
            at(8, "run", "finished", outcome="rolled_back", exit_code=4, warnings=["env A was kept", "last"]),
        ]
    )
    assert shown.warnings == ("cache: slow", "env A was kept", "last")


def test_who_was_not_notified_is_listed_with_the_step_and_the_reason() -> None:
    """Of Actions that were applied, also several of one; other results are passed over."""
    missed = [{"name": "a.example", "reason": "HTTP 503"}, {"name": "b.example", "reason": "timeout"}]
    shown = report(
        [
            STARTED,
            at(1, "tell", "applied", result={"not_notified": missed}),
            at(2, "other", "applied", result=["not_notified"]),
            at(3, "none", "applied"),
            at(4, "later", "failed", result={"not_notified": missed}),
            at(5, "last", "applied", result={"not_notified": missed[:1]}),
        ]
    )
    assert shown.not_notified == (
        NotNotified("a.example", "tell", "HTTP 503"),
        NotNotified("b.example", "tell", "timeout"),
        NotNotified("a.example", "last", "HTTP 503"),
    )


def test_the_directory_of_saved_rows_is_the_drops_or_the_restores() -> None:
    """Whichever the run had; None when neither saved any."""
    assert saved_rows({}) is None
    assert saved_rows({"database": None, "carts.restore": None}) is None
    assert saved_rows({"database": {"saved": "/x"}}) == "/x"
    assert saved_rows({"carts.restore": {"replaced": "/y"}}) == "/y"
    assert saved_rows({"database": {"saved": "/x"}, "carts.restore": {"replaced": "/y"}}) == "/x"
    assert saved_rows({"database": {"saved": None}, "carts.restore": {"replaced": "/y"}}) == "/y"
    shown = report([STARTED, at(1, "database", "applied", result={"saved": "/x"})])
    assert shown.saved_rows == "/x"
