"""The signal handlers in this very process, with real signals to it; whole commands are in test_signals.py."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cartctl.engine import signals
from cartctl.engine.pulse import Pulse
from cartctl.engine.signals import StopNow
from cartctl.errors import HungUp, Interrupted, Terminated

SOON = 20.0  # seconds that a busy machine may take
KINDS = {signal.SIGINT: Interrupted, signal.SIGTERM: Terminated, signal.SIGHUP: HungUp}


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """All three signals have a handler that is not ours, before and after; none is lost to pytest."""
    before = {number: signal.signal(number, _unexpected) for number in KINDS}
    yield
    signals.uninstall()
    left = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert set(left.values()) == {_unexpected}, "the previous handlers must be restored"
    assert signal.set_wakeup_fd(-1) == -1


def _unexpected(number: int, _frame: object) -> None:
    pytest.fail(f"signal {number} was not handled")


def kill(number: int) -> None:
    """A signal to this process."""
    os.kill(os.getpid(), number)


def until(condition: Callable[[], object]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("number", KINDS)
def test_the_first_signal_raises_an_alarm_on_the_pulse(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not an exception: the step ends at a safe point. The acknowledgement names the step and how to stop now."""
    pulse = Pulse()
    with signals.interruptible(pulse):
        pulse.doing = "release.api"
        kill(number)
        with pytest.raises(KINDS[number], match=f"Stopped by {number.name}") as stopped:
            pulse.pause(SOON)
        assert stopped.value.exit_code == 128 + number
        cause = signals.stop_cause()
        assert (type(cause), str(cause)) == (KINDS[number], f"Stopped by {number.name}.")
        assert type(signals.stopped("now")) is KINDS[number]
    again = "press Ctrl-C again" if number == signal.SIGINT else f"send {number.name} again"
    assert capfd.readouterr().err == f"stopping after release.api; {again} to stop now\n"
    assert signals.stop_cause() is None


def test_a_run_without_a_step_is_acknowledged_without_one(capfd: pytest.CaptureFixture[str]) -> None:
    """Before the first step."""
    pulse = Pulse()
    with signals.interruptible(pulse):
        kill(signal.SIGINT)
        until(lambda: pulse.cause)
    assert capfd.readouterr().err == "stopping; press Ctrl-C again to stop now\n"


def test_a_closed_terminal_does_not_keep_the_run_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement cannot be shown."""

    class Closed:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

    pulse = Pulse()
    monkeypatch.setattr(sys, "stderr", Closed())
    with signals.interruptible(pulse):
        kill(signal.SIGTERM)
        until(lambda: pulse.cause)
        assert isinstance(pulse.cause, Terminated)


def test_the_second_signal_stops_wherever_the_command_is() -> None:
    """Of whichever kind; the exit code is the first one's."""
    pulse = Pulse()
    with signals.interruptible(pulse):
        kill(signal.SIGTERM)
        until(lambda: pulse.cause)
        with pytest.raises(StopNow):
            kill(signal.SIGINT)
        assert type(signals.stopped("at once", hint="Next.")) is Terminated
        assert signals.stopped("at once", hint="Next.").hint == "Next."


def test_without_a_pulse_the_first_signal_stops_at_once() -> None:
    """A prompt, loading, a short command."""
    installed = signals.install(lambda _: None)
    assert signals.stop_cause() is None
    with pytest.raises(StopNow):
        kill(signal.SIGHUP)
    assert type(signals.stop_cause()) is HungUp
    assert installed.received == signal.SIGHUP


def test_a_pulse_that_has_ended_no_longer_catches_signals() -> None:
    """The command that goes on after it ends at once; the handlers stay until the command uninstalls them."""
    installed = signals.install(lambda _: None)
    outer, inner = Pulse(), Pulse()
    with signals.interruptible(outer):
        with signals.interruptible(inner):
            assert installed.pulses == [outer, inner]
        kill(signal.SIGINT)
        until(lambda: outer.cause)
        assert inner.cause is None
    assert installed.pulses == []
    with pytest.raises(StopNow):
        kill(signal.SIGINT)


def test_the_innermost_pulse_has_the_alarm() -> None:
    """A wait within a run."""
    outer, inner = Pulse(), Pulse()
    with signals.interruptible(outer), signals.interruptible(inner):
        kill(signal.SIGINT)
        until(lambda: inner.cause)
        assert outer.cause is None


def test_a_shielded_block_is_finished_first() -> None:
    """What was committed is also reported; the signal comes at the end of the outermost block, once."""
    signals.install(lambda _: None)
    done: list[str] = []

    def commit() -> None:
        with signals.unstoppable():
            with signals.unstoppable():
                kill(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(StopNow):
        commit()
    assert done == ["inner", "outer"]
    with signals.unstoppable():
        done.append("again")
    assert done[-1] == "again"


def test_a_shield_needs_no_handlers() -> None:
    """As in a library."""
    done: list[str] = []
    with signals.unstoppable():
        done.append("x")
    signals.uninstall()
    assert (done, type(signals.stopped("x")), signals.already_reported()) == (["x"], Interrupted, False)


def test_an_ignored_signal_stays_ignored() -> None:
    """As nohup leaves it; the others are heard."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    pulse = Pulse()
    try:
        with signals.interruptible(pulse):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            kill(signal.SIGHUP)
            kill(signal.SIGTERM)
            until(lambda: pulse.cause)
            assert type(pulse.cause) is Terminated
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, _unexpected)


def test_a_child_that_ends_is_no_signal_to_stop() -> None:
    """Its SIGCHLD passes through the same pipe where somebody handles it."""
    before = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    pulse = Pulse()
    try:
        with signals.interruptible(pulse):
            subprocess.run(["true"], check=True)
            time.sleep(0.1)
            pulse.check()
            kill(signal.SIGINT)
            until(lambda: pulse.cause)
            assert pulse.doing == ""
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_end_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the listening thread after a moment, with what stays in place, where the main thread is busy; not twice."""
    monkeypatch.setattr(signals, "REPORT_AFTER", 0.05)
    messages: list[Interrupted] = []
    installed = signals.install(messages.append)
    pulse = Pulse()
    with signals.interruptible(pulse):
        pulse.remaining = lambda: signals.stopped("Still in place: x.")
        kill(signal.SIGINT)
        until(lambda: pulse.cause)
        with pytest.raises(StopNow):
            kill(signal.SIGINT)
        until(lambda: messages)
        pulse.remaining = None
    assert [str(one) for one in messages] == ["Still in place: x."]
    assert (installed.reported(), signals.already_reported()) == (True, True)


def ending_threads(earlier: list[threading.Thread]) -> list[threading.Thread]:
    """The threads, other than `earlier` ones, that end a command which does not end by itself."""
    return [each for each in threading.enumerate() if each.name == "signals end" and each not in earlier]


def test_what_the_main_thread_has_reported_the_listening_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has marked the end as reported, however long that took."""
    gate, earlier = threading.Event(), threading.enumerate()
    monkeypatch.setattr(signals, "time", SimpleNamespace(sleep=lambda _: gate.wait(60)))
    messages: list[Interrupted] = []
    signals.install(messages.append)
    with pytest.raises(StopNow):
        kill(signal.SIGINT)
    assert (signals.already_reported(), signals.already_reported()) == (False, True)
    until(lambda: ending_threads(earlier))
    [end] = ending_threads(earlier)
    assert end.daemon
    signals.uninstall()  # or it would end this process
    gate.set()
    end.join(60)
    assert messages == []


def test_a_signal_right_after_another_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are in the pipe when the thread reads it: the end of a child hides no Ctrl-C, nor the first the second."""
    monkeypatch.setattr(signals, "REPORT_AFTER", 0.05)
    messages: list[Interrupted] = []
    installed = signals.install(messages.append)
    pulse = Pulse()
    with signals.interruptible(pulse):
        os.write(installed._writing, bytes([signal.SIGCHLD, signal.SIGTERM, signal.SIGCHLD]))
        until(lambda: pulse.cause)
        assert (type(pulse.cause), installed.received) == (Terminated, signal.SIGTERM)
        time.sleep(0.2)
        assert messages == []
        os.write(installed._writing, bytes([signal.SIGCHLD, signal.SIGINT]))
        until(lambda: messages)
    assert [type(one) for one in messages] == [Terminated]


@pytest.mark.parametrize("number", KINDS)
def test_a_command_that_does_not_end_is_ended_after_the_grace(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code of its signal, and not before the grace is over; one that has ended is not."""
    codes: list[int] = []
    monkeypatch.setattr(signals, "REPORT_AFTER", 0.1)
    monkeypatch.setattr(signals, "GRACE", 0.3)
    monkeypatch.setattr(os, "_exit", codes.append)  # this process goes on
    signals.install(lambda _: None)
    began = time.monotonic()
    with pytest.raises(StopNow):
        kill(number)
    until(lambda: codes)
    assert (codes, time.monotonic() - began >= 0.3) == ([128 + number], True)
    signals.uninstall()
    signals.install(lambda _: None)
    with pytest.raises(StopNow):
        kill(number)
    signals.uninstall()
    time.sleep(0.5)
    assert codes == [128 + number]


def test_the_listening_thread_ends_with_the_handlers() -> None:
    """And nothing is left behind: neither thread nor file."""
    files = set(Path("/proc/self/fd").iterdir())
    with signals.interruptible(Pulse()):
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "signals"] == [True]
    until(lambda: "signals" not in {thread.name for thread in threading.enumerate()})
    assert set(Path("/proc/self/fd").iterdir()) <= files
