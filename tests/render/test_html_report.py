"""The page of a run: complete, self-contained, and safe whatever the run's texts are."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode

from cartctl.config.model.stages import Stage
from cartctl.engine.events import Event
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.report import report
from cartctl.errors import UsageError
from cartctl.monitoring.samples import RecordedSample, RunSamples
from cartctl.monitoring.thresholds import Limits
from cartctl.plans.reports.run_record import RunRecord
from cartctl.redaction import register
from cartctl.render.html.charts import POINTS, thinned
from cartctl.render.html.destination import check_destination
from cartctl.render.html.page import render_page, write_page
from cartctl.render.html.timeline import timeline
from cartctl.rollout.record import Step, fold

CASES = Path(__file__).parents[1] / "cases" / "previous_version"
DEPLOYED, ROLLED_BACK, ROLLBACK = sorted(path.stem for path in CASES.glob("*.ndjson"))
AT = datetime(2026, 12, 1, 2, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[2J\u202e&amp;"
SECRET = "hunter2hunter2"


def at(seconds: float, key: str, event: str, /, **data: Any) -> Event:
    """An event so many seconds after the start."""
    return Event("r1", AT + timedelta(seconds=seconds), key, event, data)


def record_of(events: list[Event], **more: Any) -> RunRecord:
    """The record of a run with these events."""
    return RunRecord(report(events), tuple(events), timedelta(minutes=30), timedelta(minutes=2), **more)


def recorded(run: str) -> RunRecord:
    """The record of a run of the previous version."""
    return record_of(FileJournal(CASES).events(run))


def samples_of(count: int, *, name: str = "payment-api") -> RunSamples:
    """So many samples, 15 seconds apart, the last of which is critical and fires."""
    rows = []
    for number in range(count):
        last = number == count - 1
        metrics: dict[str, tuple[float | None, str]] = {
            "error_rate": (0.2 if last else 0.001 * (number % 7), "critical" if last else "ok"),
            "api_latency_p95": (None, "no-data") if number % 50 == 0 else (0.1 + number % 9 / 100, "ok"),
            "db_latency_p95": (0.004, "ok"),
            "db_connections": (0.3, "ok"),
        }
        triggers = {"error_rate": ("fired" if last else "clear", 301.0 if last else 0.0)}
        at = AT + timedelta(seconds=15 * number)
        rows.append(RecordedSample(at, metrics, triggers, {name: (2 + number // 100 % 2, 3)}))
    share, seconds = Limits("share", 0.01, 0.05, rate=True), Limits("s", 0.1, 0.5, rate=True)
    limits = {
        "error_rate": share,
        "db_connections": share,
        "api_latency_p95": seconds,
        "db_latency_p95": seconds,
    }
    return RunSamples(limits, tuple(rows))


def text_of(page: str) -> str:
    """The text that a reader sees, on one line."""
    tree = HTMLParser(page)
    for drawing in tree.css("svg"):
        drawing.decompose()
    body = tree.body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


def assert_self_contained(page: str) -> HTMLParser:
    """No script, nothing loaded, no style that the page's policy would block; returns the parsed page."""
    tree = HTMLParser(page)
    assert not tree.css("script, link, img, iframe, object, embed, form, base, image, foreignObject")
    for node in tree.css("*"):
        unsafe = [
            name for name in node.attributes if name.startswith("on") or name in {"style", "src", "href"}
        ]
        assert not unsafe, (node.tag, unsafe)
    [style] = tree.css("style")
    [policy] = [node for node in tree.css("meta") if node.attributes.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(style_text(style).encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert policy.attributes["content"] == allowed
    return tree


def style_text(style: LexborNode) -> str:
    """The content of a style element as it is in the page."""
    return str(style.text(deep=False))


@pytest.mark.parametrize(
    ("run", "words"),
    (
        (
            DEPLOYED,
            ("Deployment to sandbox", "succeeded", "migrate database done", "payment-api.api: 1.0.0 → 2.0.0"),
        ),
        (
            ROLLED_BACK,
            ("rolled back", "CrashLoopBackOff", "Rollback", "release.api cluster failed", "cartctl history"),
        ),
        (ROLLBACK, ("Rollback in sandbox", f"Rolls back {DEPLOYED}", "database database done")),
    ),
)
def test_runs_of_the_previous_version_have_a_page(run: str, words: tuple[str, ...]) -> None:
    """Although they recorded no phases, no results of single checks and no samples."""
    page = render_page(recorded(run))
    assert_self_contained(page)
    text = text_of(page)
    assert [word for word in words if word not in text] == []


def test_untrusted_texts_are_escaped_and_secrets_masked() -> None:
    """In every place where a text of the run appears: message, reasons, checks, log groups, names of deployments."""
    register(SECRET)
    nasty = f"{HOSTILE} {SECRET}"
    groups = [
        {"message": nasty, "logger": nasty, "pattern": nasty, "count": 3, "first": nasty, "last": nasty}
    ]
    rows = [
        {
            "name": nasty,
            "verdict": nasty,
            "observed": nasty,
            "expected": nasty,
            "hint": nasty,
            "groups": groups,
        }
    ]
    change = {"kind": "replicas", "names": [nasty], "before": {nasty: nasty}, "to": {nasty: 1}}
    events = [
        at(
            0,
            "run",
            "started",
            plan="deploy",
            env=nasty,
            user=nasty,
            host=nasty,
            phases={nasty: ["smoke", nasty]},
        ),
        at(1, nasty, "skipped", reason=nasty),
        at(2, "prewarm", "intended", **change),
        at(3, "smoke", "failed", message=nasty, checks=rows),
        at(
            4,
            "run",
            "finished",
            outcome="failed",
            exit_code=5,
            message=nasty,
            next_command=nasty,
            warnings=[nasty],
        ),
    ]
    steps = [
        Step(
            "start",
            start=date(2026, 12, 1),
            name=nasty,
            why=nasty,
            by=nasty,
            after="10",
            at=AT,
            outcome="succeeded",
        )
    ]
    record = record_of(events, samples=samples_of(3, name=nasty), rollout=fold(steps))
    page = render_page(record)
    assert_self_contained(page)
    assert SECRET not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 15


def test_phases_checks_samples_and_triggers_are_shown() -> None:
    """With verdicts, evidence and hints; the checks that did not pass are open and come first."""
    rows = [
        {"name": "auth", "verdict": "pass", "observed": "HTTP 200", "seconds": 0.2},
        {
            "name": "payments",
            "verdict": "fail",
            "observed": "HTTP 503",
            "expected": "200",
            "hint": "See the logs.",
        },
    ]
    events = [
        at(0, "run", "started", plan="deploy", env="production", phases={"1 Preparation": ["preflight"]}),
        at(
            1,
            "preflight",
            "applied",
            seconds=1,
            result={"verdict": "pass", "counts": {"pass": 1}, "checks": rows[:1]},
        ),
        at(2, "smoke", "failed", message="smoke: payments", checks=rows),
        at(3, "run", "finished", outcome="failed", exit_code=5),
    ]
    page = render_page(record_of(events, samples=samples_of(10)))
    tree, text = assert_self_contained(page), text_of(page)
    assert "1 Preparation" in text
    assert re.search(r"fail payments HTTP 503 expected: 200 See the logs\. pass auth HTTP 200", text)
    assert [node.attributes.get("open", "no") for node in tree.css("details")] == ["no", None]
    assert "API error rate critical peak 20.00%, last 20.00%; 9 ok, 1 critical" in text
    assert "error_rate fired 5:01 min 02:02:15" in text
    assert len(tree.css("figure")) == 5


def test_the_rollout_and_its_change_are_shown() -> None:
    """Each step with who and why; the run's own is marked; planned and actual percentages are drawn."""
    stages = (Stage(0, 2, "internal", Decimal(0)), Stage(3, 5, "10%", Decimal(10)))
    steps = [
        Step(
            "start",
            start=date(2026, 12, 1),
            name="internal",
            by="ann@ops",
            at=AT,
            run="r0",
            outcome="succeeded",
        ),
        Step(
            "advance",
            name="10%",
            after="10",
            why="gates pass",
            by="bob@ops",
            at=AT + timedelta(days=3),
            run="r1",
            outcome="succeeded",
        ),
    ]
    events = [
        at(0, "run", "started", plan="rollout", env="production", asked={"action": "advance"}),
        at(9, "run", "finished", outcome="succeeded", exit_code=0),
    ]
    page = render_page(record_of(events, rollout=fold(steps), stages=stages))
    tree, text = assert_self_contained(page), text_of(page)
    assert "2026-12-04 02:00:00 UTC advance 10% 0 → 10 % bob@ops succeeded gates pass" in text
    assert "advance" in (tree.css("tr.this")[0].text() if tree.css("tr.this") else "")
    assert "cartctl rollout advance --env production" in text
    assert len(tree.css("figure svg path")) > 2


def test_a_running_run_has_a_page() -> None:
    """A run that has only begun has no bars to scale by."""
    events = [at(0, "run", "started", plan="deploy", env="here")]
    record = record_of(events)
    running = replace(record, report=replace(record.report, outcome="running"))
    assert "running" in text_of(render_page(running))


def test_a_day_of_samples_stays_small(tmp_path: Path) -> None:
    """5,760 samples make less than 1 MB."""
    written = write_page(
        record_of([at(0, "run", "started", plan="deploy", env="x")], samples=samples_of(5760)),
        tmp_path / "x.html",
    )
    assert 50_000 < written.bytes < 1_000_000
    assert written.bytes == (tmp_path / "x.html").stat().st_size


def test_thinning_keeps_every_peak_and_gap() -> None:
    """The largest value of each interval, and no value where an interval has none."""
    rows: list[tuple[datetime, float | None]] = [
        (AT + timedelta(seconds=n), float(n % 10)) for n in range(5760)
    ]
    rows[777] = rows[777][0], 99.0
    rows[2400:2448] = [(moment, None) for moment, _ in rows[2400:2448]]
    thin = thinned(rows)
    assert len(thin) <= POINTS
    assert max(value for _, value in thin if value is not None) == 99.0
    assert sum(value is None for _, value in thin) == 2
    assert thinned(rows[:240]) == rows[:240]


def test_bars_lie_within_the_run_in_order() -> None:
    """Steps without seconds begin at their intent or at the end of the step before; reverts are a phase of their own."""
    events = [
        at(0, "run", "started", plan="deploy", env="x", phases={"1 Preparation": ["a", "b"]}),
        at(2, "a", "applied", seconds=2.0),
        at(3, "b", "intended", kind="replicas", names=["n"], before={"n": 1}, to={"n": 2}),
        at(8, "b", "failed", message="no"),
        at(8, "run", "undoing", cause="no"),
        at(10, "b", "restored", seconds=2.0),
        at(10, "run", "finished", outcome="rolled_back", exit_code=4),
    ]
    line = timeline(events)
    assert [(bar.key, bar.phase, bar.style, bar.x, bar.width) for bar in line.bars] == [
        ("a", "1 Preparation", "applied", 0, 200),
        ("b", "1 Preparation", "failed", 300, 500),
        ("b", "Rollback", "undo", 800, 200),
    ]
    assert all(0 <= bar.x <= bar.x + bar.width <= 1000 for bar in line.bars)


def test_long_monitoring_leaves_half_of_the_width_to_the_other_steps() -> None:
    """A deployment of one minute that is monitored for thirty; the moments on the axis are true."""
    events = [
        at(0, "run", "started", plan="deploy", env="x"),
        at(60, "a", "applied", seconds=60.0),
        at(1860, "monitor", "applied", seconds=1800.0),
        at(1860, "run", "finished", outcome="succeeded", exit_code=0),
    ]
    line = timeline(events)
    assert [(bar.x, bar.width, bar.seconds) for bar in line.bars] == [(0, 500, 60), (500, 500, 1800)]
    assert [round((moment - AT).total_seconds()) for moment in line.axis()] == [0, 30, 60, 960, 1860]


def test_a_destination_that_cannot_be_written_is_named_before_anything_begins(tmp_path: Path) -> None:
    """A directory, a device, a file as a directory, and a directory without permission."""
    (tmp_path / "file").write_text("x")
    for path, why in (
        (tmp_path, "is a directory"),
        (Path("/dev/null"), "is not a regular file"),
        (tmp_path / "file" / "x.html", "cannot be written"),
    ):
        with pytest.raises(UsageError, match=why) as wrong:
            check_destination(path, "--html")
        assert str(path) in wrong.value.message
        assert wrong.value.exit_code == 2
    with pytest.raises(UsageError, match="cannot be written"):
        write_page(recorded(DEPLOYED), Path("/proc/x.html"))
    check_destination(tmp_path / "new" / "x.html", "--html")
    assert not (tmp_path / "new").exists()


def test_a_page_replaces_another_all_at_once(tmp_path: Path) -> None:
    """Through a link too; nothing else is left in the directory."""
    target, link = tmp_path / "real.html", tmp_path / "latest.html"
    target.write_text("old")
    link.symlink_to(target)
    write_page(recorded(DEPLOYED), link)
    assert link.is_symlink()
    assert DEPLOYED in target.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.html", "real.html"]
