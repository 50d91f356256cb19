"""The monitor's samples on a terminal: charts that fit, thresholds, and the time until a trigger fires."""

import io
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.config.load import load_environment
from cartctl.measurements import latency, measured, percentage
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.scale import Scale
from cartctl.monitoring.thresholds import Limits, MetricVerdict
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import TriggerState
from cartctl.render.drawing import Console
from cartctl.render.run.chart import Point, chart
from cartctl.render.run.live import LiveView
from cartctl.render.run.monitor_view import ChartsView, LinesView, choose_monitor_view
from cartctl.render.run.samples import Samples
from tests.render.story import ROWS, RUN, at

BEGIN = datetime(2026, 1, 6, 2, tzinfo=UTC)
RATE = Limits("share", 0.01, 0.05, rate=True)
CLEAR = (TriggerState("error_rate", "clear"), TriggerState("critical_paths", "clear"))


@pytest.fixture
def scale(tmp_path: Path) -> Scale:
    """The defaults' thresholds."""
    file = tmp_path / "cartctl.toml"
    file.write_text('[env.production.http]\napi = "http://localhost"\n')
    return Scale.of(load_environment(str(file), "production", sections=()))


def tick(
    scale: Scale,
    number: int = 0,
    *,
    share: float = 0.1,
    verdict: MetricVerdict = MetricVerdict.OK,
    triggers: tuple[TriggerState, ...] = CLEAR,
    down: tuple[str, ...] = (),
) -> Tick:
    """A sample in which every metric is a share of its critical threshold."""
    measures = tuple(
        Measure(
            metric,
            None if verdict is MetricVerdict.NO_DATA else share * limits.critical,
            limits.unit,
            verdict,
            "",
        )
        for metric, limits in scale.limits.items()
    )
    probes = tuple(Probe(name, ok=name not in down, observed="") for name in ("auth", "payments"))
    return Tick(BEGIN + timedelta(seconds=15 * number), measures, triggers, probes)


def drawn(samples: Samples, width: int, height: int, *, with_unicode: bool = True) -> list[str]:
    """The lines of a frame."""
    console = Console(io.StringIO(), width=width, height=height)
    with console.capture() as capture:
        console.print(samples.draw(width, height, with_unicode=with_unicode))
    return capture.get().splitlines()


def plain(text: str) -> str:
    """Without the sequences that set bold and dim."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", (40, 60, 80, 120))
@pytest.mark.parametrize("height", (8, 10, 22, 50))
def test_a_frame_fits(scale: Scale, width: int, height: int) -> None:
    """No line is wider than the terminal, and the charts are as high as there is room."""
    samples, chance = Samples(scale), random.Random(1)
    for number in range(300):
        verdict = chance.choice(list(MetricVerdict))
        pending = TriggerState("error_rate", "pending", 135, "error rate 8.1% " * 9)
        samples.add(
            tick(scale, number, share=chance.uniform(0, 3), verdict=verdict, triggers=(pending, CLEAR[1]))
        )
    lines = drawn(samples, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height, 10 if width < 60 else 6)


def test_a_chart_has_a_line_at_each_threshold_with_its_value() -> None:
    """Samples stand before the lines, the newest on the right."""
    points = [
        Point(0.0, MetricVerdict.OK),
        Point(0.02, MetricVerdict.WARNING),
        Point(0.06, MetricVerdict.CRITICAL),
    ]
    lines = [line.plain for line in chart(points, RATE, 14, 5)]
    assert [line.rstrip()[-4:] for line in (lines[0], lines[-1])] == ["5.0%", "1.0%"]
    assert lines[0].startswith("─────▆")
    assert lines[-1].startswith("╌╌╌▁██")


def test_missing_data_is_a_mark_and_no_value() -> None:
    """In the lowest row; a value of zero is a sample."""
    points = [
        Point(None, MetricVerdict.NO_DATA),
        Point(0.0, MetricVerdict.OK),
        Point(0.0, MetricVerdict.LOW_TRAFFIC),
    ]
    assert chart(points, RATE, 11, 1)[0].plain == "·▁·" + " " * 8
    assert chart(points, RATE, 11, 1, with_unicode=False)[0].plain == "?.?" + " " * 8


@pytest.mark.parametrize("rows", (2, 3, 4, 5))
def test_close_thresholds_are_two_lines(rows: int) -> None:
    """80 % and 95 % of the pool."""
    lines = [line.plain.rstrip() for line in chart([], Limits("share", 0.8, 0.95, rate=False), 20, rows)]
    assert sum("95.0%" in line for line in lines) == sum("80.0%" in line for line in lines) == 1


def test_ascii_terminals_get_ascii(scale: Scale) -> None:
    """Nothing that the encoding lacks."""
    samples = Samples(scale)
    samples.add(tick(scale))
    assert "\n".join(drawn(samples, 80, 20, with_unicode=False)).isascii()


def test_a_pending_trigger_says_when_it_fires(scale: Scale) -> None:
    """From the time that the breach has lasted, and counted down between two samples."""
    now = [100.0]
    samples = Samples(scale, clock=lambda: now[0])
    pending = TriggerState("error_rate", "pending", 135.0, "error rate 8.1%")
    samples.add(tick(scale, triggers=(pending, CLEAR[1])))
    now[0] += 10
    text = "\n".join(drawn(samples, 100, 20))
    assert "trigger error_rate      pending for 2:15 min, error rate 8.1%, fires in 2:35 min" in text
    assert "trigger critical_paths  clear" in text


def test_a_critical_endpoint_says_how_many_failures_are_left(scale: Scale) -> None:
    """Failures in a row of the same endpoint, at the monitor's interval."""
    samples = Samples(scale, clock=lambda: 0.0)
    pending = TriggerState("critical_paths", "pending", detail="payments failed 2 times in a row")
    samples.add(tick(scale, 0, down=("auth",)))
    for number in (1, 2):
        samples.add(tick(scale, number, down=("payments",), triggers=(CLEAR[0], pending)))
    text = "\n".join(drawn(samples, 100, 20))
    assert "pending payments failed 2 of 3 times, fires in 15 s" in text


def test_the_heading_counts_down(scale: Scale) -> None:
    """The time that is left, beside the environment's name."""
    console = Console(io.StringIO(), force_terminal=True, width=80, height=24, no_color=True)
    with ChartsView("production", scale, console=console) as view:
        view.progress(15, 1800, "s")
        view.sampled(tick(scale, share=1.2, verdict=MetricVerdict.CRITICAL))
        with console.capture() as capture:
            console.print(view.draw())
    lines = plain(capture.get()).splitlines()
    assert "monitor production" in lines[0]
    assert lines[0].rstrip().endswith("29:45 min left")
    assert any("error rate  6.0% critical" in line for line in lines)


def test_without_a_terminal_each_sample_is_a_line(scale: Scale, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with one that cannot move the cursor, and where plain lines are wanted."""
    messages: list[Tick] = []

    def chosen(*, plain: bool = False) -> object:
        return choose_monitor_view("x", scale, messages.append, plain=plain)

    assert isinstance(chosen(), LinesView)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(chosen(), ChartsView)
    assert isinstance(chosen(plain=True), LinesView)
    monkeypatch.setenv("TERM", "dumb")
    view = chosen()
    assert isinstance(view, LinesView)
    view.sampled(tick(scale))
    assert len(messages) == 1


@pytest.mark.parametrize(("step", "shown"), (("monitor", True), ("migrate", False)))
def test_a_deployment_shows_samples_while_it_monitors(scale: Scale, step: str, shown: bool) -> None:
    """Below the steps, within the terminal's height."""
    text = io.StringIO()
    console = Console(text, force_terminal=True, width=80, height=24, no_color=True)
    with LiveView(console) as view:
        view.started(RUN, ROWS)
        view.event(at(0, step, "began"))
        view.sampled(tick(scale), scale)
        with console.capture() as capture:
            console.print(view._draw())
    lines = plain(capture.get()).splitlines()
    assert any("error rate  0.5%" in line for line in lines) is shown
    assert len(lines) <= 24


def test_a_pending_trigger_is_shown_in_every_step(scale: Scale) -> None:
    """It will end the run."""
    console = Console(io.StringIO(), force_terminal=True, width=80, height=24, no_color=True)
    with LiveView(console) as view:
        view.started(RUN, ROWS)
        view.event(at(0, "migrate", "began"))
        view.sampled(tick(scale, triggers=(TriggerState("error_rate", "pending", 30.0), CLEAR[1])), scale)
        with console.capture() as capture:
            console.print(view._draw())
    assert "fires in 4:30 min" in plain(capture.get())


@pytest.mark.parametrize(
    ("show", "value", "text"),
    (
        (percentage, 0.083, "8.3%"),
        (latency, 0.2274, "227 ms"),
        (latency, 0.9996, "1 s"),
        (latency, 1.254, "1.25 s"),
        (latency, 12.34, "12.3 s"),
        (latency, 1234.5, "1234 s"),
    ),
)
def test_measurements_have_one_form(show: Callable[[float], str], value: float, text: str) -> None:
    """The same in every text."""
    assert show(value) == text
    assert measured(value, "share" if show is percentage else "s") == text
