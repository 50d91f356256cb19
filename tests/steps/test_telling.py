"""The steps that tell, purge and run the user's command."""

import os
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartctl.adapters.cdn import Cloudflare
from cartctl.adapters.notify import Webhook
from cartctl.adapters.programs import ProgramFailed
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import ConfigError, Interrupted, StepFailed
from cartctl.steps.announce import Announce, AnnounceOutcome
from cartctl.steps.cdn import PurgeCdn
from cartctl.steps.hook import Hook
from tests.web import Reply, serve

RUN = Run("r1", "production", datetime.now(UTC), Path("/nonexistent"), "running", {})
AWAY = "http://127.0.0.1:9/secret"


def python(program: str) -> tuple[str, ...]:
    """A hook that is a small program."""
    return (sys.executable, "-c", program)


def hook(program: str, timeout: float = 10, pulse: Pulse | None = None) -> str:
    """What such a hook's result says it wrote."""
    result = Hook(python(program), timedelta(seconds=timeout)).perform(RUN, pulse or Pulse())
    assert result["exit_code"] == 0
    return str(result["output"])


def test_everybody_is_told_that_it_begins() -> None:
    """Each notifier gets the run's id and environment."""
    with serve(lambda _: Reply("ok")) as one, serve(lambda _: Reply("ok")) as two:
        result = Announce("announce", [Webhook(one.url), Webhook(two.url)]).perform(RUN, Pulse())
    assert result["told"] == ["127.0.0.1", "127.0.0.1"]
    assert "r1 begins in production" in one.asked[0].body
    assert one.asked[0].body == two.asked[0].body


def test_a_beginning_nobody_took_is_a_failure_after_all_were_tried() -> None:
    """One notifier that is away does not keep the others from hearing."""
    with serve(lambda _: Reply("ok")) as web, pytest.raises(StepFailed, match="does not answer"):
        Announce("announce", [Webhook(AWAY), Webhook(web.url)]).perform(RUN, Pulse())
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("outcome", "word"), (("running", "succeeded"), ("rolled_back", "rolled back"), ("failed", "failed"))
)
def test_the_outcome_is_told(outcome: str, word: str) -> None:
    """How the run ended, in words."""
    with serve(lambda _: Reply("ok")) as web:
        AnnounceOutcome("report", [Webhook(web.url)]).perform(replace(RUN, outcome=outcome), Pulse())
    assert word in web.asked[0].body


def test_an_outcome_nobody_took_takes_nothing_back() -> None:
    """A chat that is down is reported; the deployment stands."""
    result = AnnounceOutcome("report", [Webhook(AWAY)]).perform(RUN, Pulse())
    assert result["told"] == []
    assert result["failed"]
    assert "secret" not in str(result)


def test_the_outcome_is_told_also_after_a_failure() -> None:
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
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        hook("import time; time.sleep(60)", pulse=pulse)
    assert time.monotonic() - begun < 30
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
