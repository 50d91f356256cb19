"""The steps that notify, purge and run the user's command."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.cdn import Cloudflare
from cartctl.adapters.notifiers.webhook import Webhook
from cartctl.adapters.programs import ProgramFailed
from cartctl.engine.events import Event
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.engine.report import report
from cartctl.errors import ConfigError, Interrupted
from cartctl.render.json import plain
from cartctl.render.renderers import write
from cartctl.steps.announce import Announce, AnnounceOutcome
from cartctl.steps.cdn import PurgeCdn
from cartctl.steps.database.hook import Hook
from tests.web import Reply, WebRequest, serve

RUN = Run("r1", "production", datetime.now(UTC), Path("/nonexistent"), "running", {})


def python(program: str) -> tuple[str, ...]:
    """A hook that is a small program."""
    return (sys.executable, "-c", program)


def hook(program: str, timeout: float = 10, pulse: Pulse | None = None) -> str:
    """What such a hook's result says it wrote."""
    result = Hook(python(program), timedelta(seconds=timeout)).perform(RUN, pulse or Pulse())
    assert result["exit_code"] == 0
    return str(result["output"])


def test_everybody_is_notified_that_it_begins() -> None:
    """Each notifier gets the run's id and environment."""
    with serve(lambda _: Reply("ok")) as one, serve(lambda _: Reply("ok")) as two:
        result = Announce("announce", [Webhook(one.url), Webhook(two.url)]).perform(RUN, Pulse())
    assert result["told"] == ["127.0.0.1 #1", "127.0.0.1 #2"]
    assert "r1 starts in production" in one.requests[0].body
    assert one.requests[0].body == two.requests[0].body


@pytest.mark.parametrize("step", (Announce("announce", []), AnnounceOutcome("report", [])))
def test_a_notifier_that_fails_stops_neither_the_others_nor_the_run(step: Announce) -> None:
    """Who was not notified, and why, is in the result and in its warnings, without any address."""

    def refused(_: WebRequest) -> Reply:
        return Reply("invalid_payload", 400)

    with serve(refused) as bad, serve(lambda _: Reply("ok")) as web:
        chosen = [Webhook(f"{bad.url}/secret"), Webhook(f"{web.url}/secret")]
        result = type(step)(step.key, chosen).perform(RUN, Pulse())
    assert len(web.requests) == 1
    assert result["told"] == ["127.0.0.1 #2"]
    assert result["not_notified"] == [{"name": "127.0.0.1 #1", "reason": "HTTP 400 invalid_payload"}]
    assert result["warnings"] == ["127.0.0.1 #1 was not notified: HTTP 400 invalid_payload"]
    assert "secret" not in str(result)


def test_a_notifier_with_a_bug_stops_nothing_and_ctrl_c_is_heard() -> None:
    """Whatever it raises is its reason; the run's own alarm is not."""

    class Broken(Webhook):
        def post(self, text: str, pause: Callable[[float], None] = time.sleep) -> None:
            raise KeyError(text)

    result = Announce("announce", [Broken("https://hooks.example/x")]).perform(RUN, Pulse())
    assert result["not_notified"][0]["reason"].startswith("Unexpected KeyError")
    pulse = Pulse()
    with serve(lambda _: Reply("", 503)) as web:
        timer = threading.Timer(0.2, pulse.alarm, (Interrupted("stop"),))
        timer.start()
        with pytest.raises(Interrupted):
            Announce("announce", [Webhook(web.url)]).perform(RUN, pulse)
        timer.join()


def test_the_report_lists_who_was_not_notified() -> None:
    """In its JSON and in its text."""
    missed = {"not_notified": [{"name": "hooks.example", "reason": "HTTP 503 after 3 attempts"}]}
    events = [
        Event("r1", RUN.started, "run", "started", {"plan": "deploy", "env": "production"}),
        Event("r1", RUN.started, "announce", "applied", {"result": missed}),
        Event("r1", RUN.started, "run", "finished", {"outcome": "succeeded", "exit_code": 0}),
    ]
    result = report(events)
    shown = io.StringIO()
    write(result, shown)
    assert plain(result)["not_notified"] == [
        {"name": "hooks.example", "step": "announce", "reason": "HTTP 503 after 3 attempts"}
    ]
    assert "not notified  hooks.example (announce): HTTP 503 after 3 attempts" in shown.getvalue()


@pytest.mark.parametrize(
    ("outcome", "word"), (("running", "succeeded"), ("rolled_back", "rolled back"), ("failed", "failed"))
)
def test_the_outcome_is_reported(outcome: str, word: str) -> None:
    """How the run ended, in words."""
    with serve(lambda _: Reply("ok")) as web:
        AnnounceOutcome("report", [Webhook(web.url)]).perform(replace(RUN, outcome=outcome), Pulse())
    assert word in web.requests[0].body


def test_the_outcome_is_reported_also_after_a_failure() -> None:
    """Only the outcome is announced always, not the beginning."""
    assert AnnounceOutcome.always
    assert not Announce.always


def test_the_purge_gives_its_id() -> None:
    """The step's result is what the CDN accepted."""
    with serve(lambda _: Reply({"success": True, "result": {"id": "p9"}})) as web:
        assert PurgeCdn(Cloudflare("z", "t", base_url=web.url)).perform(RUN, Pulse()) == {"purge": "p9"}


def test_a_hook_runs_from_its_arguments_without_a_shell() -> None:
    """What a shell would expand stays as it is; the output is kept."""
    result = Hook(("echo", "$HOME", "*", ";", "exit 1"), timedelta(seconds=5)).perform(RUN, Pulse())
    assert result == {"exit_code": 0, "output": "$HOME * ; exit 1"}


def test_a_hook_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment it gets what programs need, and which run it is part of."""
    monkeypatch.setenv("CART_DSN", "postgresql://u:p@h/d")
    seen = hook("import os; print(sorted(os.environ))")
    assert "CART_DSN" not in seen
    assert "PATH" in seen
    assert "CARTCTL_RUN" in seen


def test_a_hook_that_fails_is_a_failure_with_its_last_words() -> None:
    """The exit code and the end of stderr are told."""
    with pytest.raises(ProgramFailed, match=r"exit code 3.*no such model"):
        hook("import sys; sys.exit(sys.stderr.write('no such model') and 3)")


def test_a_hooks_output_is_cut_and_masked() -> None:
    """The journal keeps the end of the output, secrets hidden."""
    kept = hook("print('x' * 9000); print('password=hunter2 done')")
    assert len(kept) <= 2000
    assert kept.endswith("password=*** done")


def test_a_hook_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    """At the time limit the whole group goes, grandchildren too."""
    note = tmp_path / "pid"
    program = f"import subprocess, pathlib, time; p = subprocess.Popen(['sleep', '60']); pathlib.Path({str(note)!r}).write_text(str(p.pid)); time.sleep(60)"
    with pytest.raises(TimedOut):
        hook(program, timeout=0.6)
    assert gone(int(note.read_text()))


def test_an_alarm_ends_a_hook() -> None:
    """Ctrl-C does not wait for it."""
    pulse = Pulse()
    timer = threading.Timer(0.2, pulse.alarm, (Interrupted("stop"),))
    timer.start()
    under_way = time.monotonic()
    with pytest.raises(Interrupted):
        hook("import time; time.sleep(60)", pulse=pulse)
    assert time.monotonic() - under_way < 30
    timer.join()


def test_a_hook_that_is_not_there_is_a_configuration_error() -> None:
    """A program that does not exist is named."""
    with pytest.raises(ConfigError, match="no-such-program"):
        Hook(("no-such-program-anywhere",), timedelta(seconds=1)).perform(RUN, Pulse())


def gone(pid: int) -> bool:
    """Whether a process has ended within a second (a zombie has)."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False
