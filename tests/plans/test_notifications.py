"""Who hears of what: routing by event, phases and triggers in the background, and `cartctl notify test`."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.notifiers.webhook import Webhook
from cartctl.adapters.postgres import Postgres
from cartctl.config.load import load_environment
from cartctl.engine.events import Event
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import TriggerState
from cartctl.plans.execution.run_notifications import RunNotifications
from cartctl.ports import Ports
from cartctl.steps.announce import AnnounceOutcome
from tests.database.test_command import Cartctl
from tests.sandbox_fixture import wait_for
from tests.web import Reply, Web, WebRequest, serve

AT = datetime(2026, 12, 1, 2, tzinfo=UTC)
ROWS = [("1 Preparation", "preflight", ""), ("1 Preparation", "snapshot", ""), ("2 Migration", "migrate", "")]


def began(key: str) -> Event:
    """A step begins."""
    return Event("r1", AT, key, "began")


def tick(state: str, seconds: float = 0.0) -> Tick:
    """A sample in which the error rate's trigger has a state."""
    return Tick(AT, (), (TriggerState("error_rate", state, seconds, "above 5 %" if seconds else ""),))  # type: ignore[arg-type]


def bodies(web: Web) -> list[str]:
    """The messages that a webhook received."""
    return [request.body for request in web.requests]


def test_each_phase_and_each_pending_trigger_is_announced_once() -> None:
    """A trigger again after it was clear; everything waiting is sent before the run ends."""
    with serve(lambda _: Reply("ok")) as phases, serve(lambda _: Reply("ok")) as triggers:
        notifications = RunNotifications("production", [Webhook(phases.url)], [Webhook(triggers.url)])
        with notifications.sending():
            notifications.started("r1", ROWS)
            for key in ("preflight", "snapshot", "migrate"):
                notifications.event(began(key))
            for state, seconds in (
                ("clear", 0),
                ("pending", 15),
                ("pending", 30),
                ("clear", 0),
                ("fired", 301),
            ):
                notifications.sampled(tick(state, seconds))
    assert bodies(phases) == [
        '{"text":"cartctl: run r1 in production: phase 1 Preparation starts."}',
        '{"text":"cartctl: run r1 in production: phase 2 Migration starts."}',
    ]
    assert [body.split("trigger ")[1] for body in bodies(triggers)] == [
        'error_rate is pending for 15 s: above 5 %."}',
        'error_rate is fired for 301 s: above 5 %."}',
    ]


def test_a_slow_or_failing_notifier_delays_nothing() -> None:
    """The run goes on while a message waits."""
    release = threading.Event()

    def slow(_: WebRequest) -> Reply:
        release.wait(30)
        return Reply("no", 400)

    with serve(slow) as web, serve(lambda _: Reply("ok")) as other:
        notifications = RunNotifications("production", [Webhook(web.url), Webhook(other.url)], [])
        with notifications.sending():
            notifications.started("r1", ROWS)
            notifications.event(began("preflight"))
            assert other.requests == []  # returned before the first was accepted
            release.set()
            wait_for(lambda: other.requests)


def test_the_outcome_has_cause_times_and_next_command_and_is_routed() -> None:
    """A rollback goes to its own notifiers, every other outcome to the others."""
    started = datetime.now(UTC) - timedelta(seconds=115)
    run = Run("r1", "production", started, Path("/nonexistent"), "running", {})
    rolled = Run(
        "r1",
        "production",
        started,
        Path("/nonexistent"),
        "rolled_back",
        {},
        "smoke: HTTP 503",
        "cartctl history",
    )
    with serve(lambda _: Reply("ok")) as chat, serve(lambda _: Reply("ok")) as pager:
        step = AnnounceOutcome("report", [Webhook(chat.url)], [Webhook(pager.url)])
        step.perform(run, Pulse())
        step.perform(rolled, Pulse())
    [finished], [reverted] = bodies(chat), bodies(pager)
    assert "run r1 in production: succeeded.\\nStarted: " in finished
    assert "time: 0:01:55\\nReport: cartctl report r1 --env production" in finished
    assert "rolled back.\\nCause: smoke: HTTP 503\\nStarted: " in reverted
    assert "\\nNext: cartctl history\\nReport: " in reverted


def configured(tmp_path: Path, notify: str) -> Path:
    """A configuration with these notifiers."""
    file = tmp_path / "cartctl.toml"
    file.write_text(f'[env.here]\nnotify = {notify}\nhttp = {{ api = "http://127.0.0.1:1" }}\n')
    return file


def test_notifiers_are_selected_by_event(tmp_path: Path) -> None:
    """Phases only on request; an address alone receives the usual events."""
    urls = '"https://usual.example/x", { literal = "https://pager.example/x", on = ["rolled_back", "phase"] }'
    ports = Ports(load_environment(str(configured(tmp_path, f"[{urls}]")), "here"))
    selected = {
        event: [notifier.name for notifier in ports.notifiers_on(event)]
        for event in ("window", "phase", "trigger", "rolled_back", "finished")
    }
    assert selected == {
        "window": ["usual.example"],
        "phase": ["pager.example"],
        "trigger": ["usual.example"],
        "rolled_back": ["usual.example", "pager.example"],
        "finished": ["usual.example"],
    }


@pytest.mark.parametrize("on", ('["rollback"]', "[]"))
def test_a_wrong_event_is_named(tmp_path: Path, on: str) -> None:
    """With the place in the file; an empty list would never be used."""
    with pytest.raises(ConfigError, match="notify"):
        load_environment(str(configured(tmp_path, f'[{{ env = "X", on = {on} }}]')), "here")


def test_notifiers_are_tested_on_the_command_line(tmp_path: Path, cartctl: Cartctl) -> None:
    """Each by its name, without its address; 7 for one that refuses, 6 without any, 2 for an unknown scheme."""

    def checked(notify: str) -> tuple[int, str]:
        configured(tmp_path, notify)
        done = cartctl("notify", "test")
        return done.returncode, done.stdout + done.stderr

    with serve(lambda _: Reply("ok")) as good, serve(lambda _: Reply("no", 403)) as bad:
        code, text = checked(f'["{good.url}/s3cr3t-path"]')
        assert (code, "accepted" in text, "s3cr3t" in text) == (0, True, False)
        assert "test message for here" in good.requests[0].body
        code, text = checked(f'["{good.url}/s3cr3t-path", "{bad.url}/s3cr3t-path"]')
        assert (code, "HTTP 403" in text, "s3cr3t" in text) == (7, True, False)
    assert checked("[]")[0] == 6
    code, text = checked('["nosuch://x"]')
    assert (code, "unknown scheme: nosuch://" in text) == (2, True)


@pytest.fixture
def cartctl(tmp_path: Path) -> Cartctl:
    """The program; its configuration is each test's own."""
    return Cartctl(tmp_path, Postgres("postgresql://127.0.0.1:1/none"))
