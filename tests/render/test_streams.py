"""Runs without a terminal: timestamped lines, NDJSON, and nothing but the report."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cartctl.engine.report import report
from cartctl.render.run.broken_pipe import enduring
from cartctl.render.run.lines import PlainView, QuietView
from cartctl.render.run.ndjson import NdjsonView
from cartctl.render.run.view import View, choose_view
from tests.render.story import ROWS, RUN, at, failure, success


def tell(view: View, events: list[Any]) -> None:
    """A whole run."""
    with view:
        view.started(RUN, ROWS)
        for event in events:
            view.event(event)
        view.finished(report(events))


def plain(events: list[Any], *, verbose: bool = False) -> list[str]:
    """The lines on stderr."""
    lines = io.StringIO()
    tell(PlainView(lines, io.StringIO(), verbose=verbose), events)
    return lines.getvalue().splitlines()


def ndjson(events: list[Any]) -> list[dict[str, Any]]:
    """The objects on stdout."""
    out = io.StringIO()
    tell(NdjsonView(out), events)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_plain_lines_carry_their_time() -> None:
    """Each event is a line that begins with its time in UTC."""
    lines = plain(success())
    assert "2026-11-22T10:45:15Z snapshot: done in 2.0 s" in lines
    assert "2026-11-22T10:45:13Z preflight: done in 1.0 s: warnings: no archive" in lines
    assert "2026-11-22T10:45:15Z announce: skipped: not configured" in lines
    assert "2026-11-22T10:45:17Z maintenance.off: done in 0.5 s" in lines


def test_plain_lines_report_a_failure() -> None:
    """What failed, why the run rolls back, and what could not be reverted."""
    text = "\n".join(plain(failure()))
    assert "endpoints: failed: endpoints: stats: 500" in text
    assert "run: rolling back: endpoints" in text
    assert "release.api: reverted in 1.0 s" in text
    assert "prewarm: could not be reverted: the cluster does not respond" in text


def test_verbose_lines_report_beginnings() -> None:
    """--verbose also says when a step begins and what it intends."""
    assert not any("intended" in line for line in plain(success()))
    assert any(line.endswith("prewarm: intended") for line in plain(success(), verbose=True))


def test_progress_is_a_line_now_and_then() -> None:
    """A long step says how far it is every fifteen seconds, not more often."""
    now = 0.0
    lines = io.StringIO()
    view = PlainView(lines, io.StringIO(), clock=lambda: now)
    view.event(at(0, "monitor", "began"))
    for second in range(31):
        now = float(second)
        view.progress(second, 30, "s")
    output = [line.split(" ", 1)[1] for line in lines.getvalue().splitlines()]
    assert output == ["monitor: 15 s left", "monitor: 0.0 s left"]


def test_the_report_is_the_result() -> None:
    """Plain and quiet views write the summary, with the next command, to the results' stream."""
    for make in (lambda out: PlainView(io.StringIO(), out), QuietView):
        out = io.StringIO()
        tell(make(out), failure())
        text = out.getvalue()
        assert "outcome   failed" in text
        assert "next      cartctl rollback" in text
        assert "downtime  1.5 s" in text


def test_ndjson_has_the_promised_fields() -> None:
    """Each line is an event as documented; the last is the report."""
    *events, last = ndjson(success())
    assert {event["kind"] for event in events} == {"event"}
    first = next(event for event in events if event["event"] == "intended")
    assert first == {
        "kind": "event",
        "version": 1,
        "run": RUN,
        "at": "2026-11-22T10:45:15Z",
        "step": "prewarm",
        "event": "intended",
        "seconds": None,
        "evidence": {"kind": "capacity", "names": ["a"], "before": {"a": 2}, "to": {"a": 3}},
    }
    assert (
        last.items()
        >= {"kind": "run", "run": RUN, "env": "sandbox", "outcome": "succeeded", "exit_code": 0}.items()
    )
    assert last["downtime_seconds"] == 1.5
    assert {
        "key": "snapshot",
        "outcome": "applied",
        "seconds": 2.0,
        "reason": "",
        "phase": "",
    } in last["steps"]


def test_ndjson_reports_only_documented_events() -> None:
    """Beginnings and the run's own bookkeeping are not part of the interface."""
    messages = {event["event"] for event in ndjson(failure())[:-1]}
    assert messages <= {"intended", "applied", "skipped", "failed", "undoing", "restored", "undo_failed"}
    assert {"failed", "undoing", "undo_failed"} <= messages


def test_a_view_is_chosen_by_what_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON wins, then quiet; without a terminal that can draw there are lines, with one a table."""
    assert isinstance(choose_view(as_json=True, quiet=True), NdjsonView)
    assert type(choose_view(as_json=False, quiet=True)) is QuietView
    assert type(choose_view(as_json=False)) is PlainView
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert type(choose_view(as_json=False)).__name__ == "LiveView"
    assert type(choose_view(as_json=False, verbose=True)) is PlainView
    monkeypatch.setenv("TERM", "dumb")
    assert type(choose_view(as_json=False)) is PlainView


def test_a_run_outlives_its_reader() -> None:
    """A closed pipe drops the lines and stops nothing."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        tell(NdjsonView(broken), success())
        tell(PlainView(broken, broken), success())


def test_a_run_outlives_a_full_disk() -> None:
    """Its lines cannot be written any more, and it goes on: a log is no reason to take a release back."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        tell(NdjsonView(full), success())
        tell(PlainView(full, full), success())


def test_a_dropped_text_counts_as_written() -> None:
    """Writers are not told, or they would give up."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        stream = enduring(broken)
        assert stream.write("abc") == 3
        stream.writelines(["d", "e"])
        stream.flush()
        assert not stream.isatty()
