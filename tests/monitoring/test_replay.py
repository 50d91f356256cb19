"""The replay of a recorded run: it fires when the monitor did, and at other thresholds when it would have."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.adapters.metrics.source import Metric
from cartctl.cli import app
from cartctl.config.model.environment import Thresholds
from cartctl.errors import UsageError
from cartctl.inputs import InvalidInput
from cartctl.monitoring.recording import read_recording
from cartctl.monitoring.replay import Replay, replay
from cartctl.monitoring.thresholds import MetricVerdict, rules_of
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import SpanRule
from cartctl.plans.execution.run_replay import replay_range, with_critical
from cartctl.render.json import write_line
from tests.monitoring.test_watch import World, world

FILE = """
[env.shop.database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[env.shop.http]
api = "http://127.0.0.1:1"
"""
AT = '"at": "2026-01-01T00:00:00Z"'


def recorded(sick: World, path: Path, *phases: tuple[float, float]) -> list[Tick]:
    """The ticks of phases (seconds, error rate) as a monitor appends them to a file."""
    ticks, stream = [], io.StringIO()
    for seconds, rate in phases:
        sick.source.error_rate = rate
        for _ in range(round(seconds / 15)):
            sick.run(15)
            assert sick.watch.latest
            ticks.append(sick.watch.latest)
            write_line(sick.watch.latest, stream)
    with path.open("a") as file:
        file.write(stream.getvalue())
    return ticks


def replayed(path: Path, thresholds: Thresholds | None = None, *, minimum: int = 50) -> Replay:
    """The replay of a file with the defaults of the monitor."""
    given = thresholds or Thresholds()
    rules = rules_of(given, staleness=60, minimum_requests=minimum)
    span = SpanRule(given.error_rate.rollback_after.total_seconds(), 60, 60)
    return replay(read_recording(path), rules, span, critical_failures=3, cooldown=600, blind_limit=300)


def test_it_fires_when_the_monitor_did(tmp_path: Path) -> None:
    """And says when, after how long, and what was the peak."""
    ticks = recorded(world(), tmp_path / "run", (600, 0.0), (405, 0.2), (300, 0.002))
    fired = next(tick for tick in ticks if tick.triggers[0].state == "fired")
    result = replayed(tmp_path / "run")
    assert [(one.name, one.at, one.for_seconds) for one in result.fired] == [("error_rate", fired.at, 315)]
    error_rate = next(one for one in result.metrics if one.name is Metric.ERROR_RATE)
    assert error_rate.verdicts == {MetricVerdict.OK: 60, MetricVerdict.CRITICAL: 27}
    assert (error_rate.peak, error_rate.peak_at, result.samples) == (0.2, ticks[40].at, len(ticks))
    assert (result.since, result.until, result.is_blind) == (ticks[0].at, ticks[-1].at, False)


def test_at_another_threshold_it_fires_at_another_time_or_not_at_all(tmp_path: Path) -> None:
    """Two per cent for ten minutes, then ten for ten."""
    recorded(world(), tmp_path / "run", (600, 0.02), (600, 0.1))
    begin = replayed(tmp_path / "run").since
    assert begin

    def first(critical: str) -> list[float]:
        result = replayed(tmp_path / "run", with_critical(Thresholds(), {"error_rate": critical}))
        return [(one.at - begin).total_seconds() for one in result.fired[:1]]

    assert first("0.05") == [915]
    assert first("0.019") == [315]
    assert first("0.5") == []


def test_critical_paths_and_the_cooldown_are_replayed(tmp_path: Path) -> None:
    """Three failures in a row, and again after ten minutes."""
    sick = world()
    sick.paths.down = {"payments"}
    ticks = recorded(sick, tmp_path / "run", (900, 0.0))
    result = replayed(tmp_path / "run")
    assert [(one.name, one.detail) for one in result.fired] == [
        ("critical_paths", "payments failed 3 times in a row"),
        ("critical_paths", "payments failed 43 times in a row"),
    ]
    assert result.fired[0].at == ticks[2].at


def test_what_had_no_data_has_none(tmp_path: Path) -> None:
    """Too little traffic is judged anew, with the minimum of now; blindness is summed up."""
    sick = world()
    sick.source.requests = 30
    recorded(sick, tmp_path / "quiet", (600, 0.2))
    assert replayed(tmp_path / "quiet").fired == ()
    assert replayed(tmp_path / "quiet").is_blind
    assert replayed(tmp_path / "quiet", minimum=30).fired
    sick = world()
    recorded(sick, tmp_path / "run", (60, 0.0))
    sick.source.broken = "connection refused"
    recorded(sick, tmp_path / "run", (450, 0.0))
    result = replayed(tmp_path / "run")
    assert (result.fired, result.is_blind, result.longest_blind_seconds) == ((), True, 450)


def test_a_recording_of_the_version_before_is_readable(tmp_path: Path) -> None:
    """Its measures have a value and a verdict alone; the time is that of the tick."""
    known = (
        ("error_rate", 0.2, "share", "critical"),
        ("api_latency_p95", 3.0, "s", "critical"),
        ("db_latency_p95", None, "s", "low-traffic"),
    )
    names = ("name", "value", "unit", "verdict")
    metrics = [{**dict(zip(names, one, strict=True)), "detail": ""} for one in known]
    lines = []
    for number in range(30):
        at = datetime.fromtimestamp(1_790_000_000 + 15 * number, UTC).isoformat().replace("+00:00", "Z")
        tick = {"kind": "tick", "version": 1, "at": at, "metrics": metrics, "triggers": [], "probes": []}
        lines.append(json.dumps(tick))
    lines.append(json.dumps({"kind": "error", "code": "check_failed", "message": "x", "exit_code": 7}))
    (tmp_path / "run").write_text("\n".join(lines) + "\n\n")
    result = replayed(tmp_path / "run")
    assert [one.for_seconds for one in result.fired] == [315]
    assert [dict(one.verdicts) for one in result.metrics] == [
        {MetricVerdict.CRITICAL: 30},
        {MetricVerdict.CRITICAL: 30},
        {MetricVerdict.LOW_TRAFFIC: 30},
    ]


@pytest.mark.parametrize(
    "line",
    (
        "no json",
        "[]",
        "{}",
        '{"kind": "tick"}',
        '{"kind": "tick", "at": "yesterday", "metrics": []}',
        '{"kind": "tick", "at": 3, "metrics": []}',
        '{"kind": "tick", "at": "0001-01-01T00:00:00+23:00", "metrics": []}',
        f'{{"kind": "tick", {AT}, "metrics": [{{"name": "x"}}]}}',
        f'{{"kind": "tick", {AT}, "metrics": [{{"name": "error_rate", "verdict": "good"}}]}}',
        f'{{"kind": "tick", {AT}, "metrics": [{{"name": "error_rate", "verdict": "ok", "value": "x"}}]}}',
        f'{{"kind": "tick", {AT}, "metrics": [], "probes": [3]}}',
    ),
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    """By its number, with exit code 2."""
    (tmp_path / "run").write_text(f'{{"kind": "error"}}\n{line}\n')
    with pytest.raises(InvalidInput, match="line 2: ") as caught:
        list(read_recording(tmp_path / "run"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "since", "until"),
    (
        ("2h", 1_789_992_800, 1_790_000_000),
        ("2026-09-21T10:00:00Z/2026-09-21T11:00:00+00:00", 1_789_984_800, 1_789_988_400),
        ("2026-09-21T10:00/2026-09-21T13:00+02:00", 1_789_984_800, 1_789_988_400),
    ),
)
def test_a_range_is_a_duration_or_two_times(text: str, since: float, until: float) -> None:
    """Times without a zone are UTC."""
    assert replay_range(text, 1_790_000_000) == (since, until)


@pytest.mark.parametrize(
    "text", ("nothing", "24", "", "a/b", "2026-01-02/2026-01-01", "2026-01-02/", "999999999d")
)
def test_anything_else_is_refused(text: str) -> None:
    """With what it can be."""
    with pytest.raises(UsageError, match="--replay"):
        replay_range(text, 1_790_000_000)


@pytest.mark.parametrize(
    ("given", "reason"),
    (
        ({"eror_rate": "0.1"}, "unknown metric"),
        ({"error_rate": "5%"}, "a share such as 0.02"),
        ({"error_rate": "5"}, "above 0 and up to 1"),
        ({"error_rate": "nan"}, "above 0 and up to 1"),
        ({"api_latency_p95": "3"}, "a duration such as 800ms"),
        ({"api_latency_p95": "0s"}, "longer than 0 s"),
    ),
)
def test_a_threshold_that_is_none_is_refused(given: dict[str, str], reason: str) -> None:
    """Unknown metric, missing unit, out of range."""
    with pytest.raises(UsageError, match=reason) as caught:
        with_critical(Thresholds(), given)
    assert caught.value.exit_code == 2


def test_the_command_connects_to_nothing_and_exits_as_a_monitor_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 without, 7 with a trigger, 6 where nothing was measured, 2 for what cannot be replayed."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cartctl.toml").write_text(FILE)
    recorded(world(), tmp_path / "run.ndjson", (600, 0.03))
    run = CliRunner().invoke
    calm = run(app, ["monitor", "--replay", "run.ndjson"])
    assert (calm.exit_code, "No trigger would have fired." in calm.stdout) == (0, True), calm.output
    assert "errors (critical above 5.0%): 40 warning; peak 3.0%" in calm.stdout
    sick = run(app, ["-o", "json", "monitor", "--replay", "run.ndjson", "--threshold", "error_rate=0.02"])
    document = json.loads(sick.stdout)
    assert (sick.exit_code, document["kind"], document["fired"][0]["name"]) == (7, "replay", "error_rate")
    text = run(app, ["monitor", "--replay", "run.ndjson", "--threshold", "error_rate=0.02"])
    assert "Trigger error_rate would have fired at " in text.stdout
    (tmp_path / "empty").write_text("")
    assert run(app, ["monitor", "--replay", "empty"]).exit_code == 6
    for wrong in (
        ["--replay", "24h"],
        ["--replay", "missing.ndjson"],
        ["--replay", "run.ndjson", "--once"],
        ["--replay", "run.ndjson", "--auto-abort"],
        ["--threshold", "error_rate=0.02"],
        ["--replay", "run.ndjson", "--threshold", "error_rate"],
    ):
        assert run(app, ["monitor", *wrong]).exit_code == 2, wrong
