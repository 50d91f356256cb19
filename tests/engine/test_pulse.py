"""Waits, deadlines and alarms, on a clock of the test's own."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import Interrupted, StepFailed


@dataclass
class Time:
    """A clock that only sleeping moves; `alarm_at` is when an alarm is raised."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)
    alarm_at: float = float("inf")

    def pulse(self) -> Pulse:
        """A pulse on this clock."""
        self._pulse = Pulse(clock=lambda: self.now, sleep=self.sleep)
        return self._pulse

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept.append(seconds)
        self.now += seconds
        if self.now >= self.alarm_at:
            self._pulse.alarm(StepFailed("trigger"))


def test_a_pause_lasts_as_long_as_it_says_in_steps_of_a_second() -> None:
    """So that an alarm is noticed within one."""
    clock = Time()
    clock.pulse().pause(2.5)
    assert clock.slept == [1.0, 1.0, 0.5]
    clock.pulse().pause(0)
    assert clock.now == 102.5


def test_an_alarm_ends_a_pause_and_a_wait() -> None:
    """Within a second; the value that comes with the alarm does not count."""
    clock = Time(alarm_at=101.0)
    with pytest.raises(StepFailed, match="trigger"):
        clock.pulse().pause(60)
    assert clock.now == 101.0
    clock = Time(alarm_at=100.2)
    with pytest.raises(StepFailed, match="trigger"):
        clock.pulse().wait(lambda: clock.now > 100.1, 60, what="x", every=0.3)
    assert clock.slept == [0.3]


def test_a_pause_after_an_alarm_does_not_begin() -> None:
    """Nor does a wait ask for its value."""
    clock = Time()
    pulse = clock.pulse()
    pulse.alarm(Interrupted("stop"))
    for wait in (lambda: pulse.pause(5), lambda: pulse.wait(lambda: True, 5, what="x"), pulse.check):
        with pytest.raises(Interrupted):
            wait()
    assert clock.slept == []


def test_a_wait_returns_the_value_and_reads_once_more_at_its_deadline() -> None:
    """Every tenth of a second unless told otherwise; what is true at the deadline is in time."""
    clock = Time()
    assert clock.pulse().wait(lambda: "up" if clock.now >= 101.0 else None, 1.0, what="x", every=0.5) == "up"
    assert clock.slept == [0.5, 0.5]
    clock = Time()
    with pytest.raises(TimedOut, match=r"^x took longer than 0\.25 s"):
        clock.pulse().wait(lambda: 0, 0.25, what="x")
    assert clock.slept == [0.1, 0.1, 0.1]
    with pytest.raises(TimedOut):
        clock.pulse().wait(lambda: False, 0, what="x")


def test_only_the_first_alarm_counts() -> None:
    """Its cause is known from then on."""
    pulse, cancelled = Pulse(), list[str]()
    first = StepFailed("first")

    def call() -> None:
        pulse.alarm(first)
        pulse.alarm(StepFailed("second"))

    with pytest.raises(StepFailed, match="first"), pulse.cancelling(lambda: cancelled.append("sql")):
        call()
    assert (pulse.cause, cancelled) == (first, ["sql"])
    assert Pulse().cause is None


def test_what_ended_is_not_cancelled_any_more() -> None:
    """A call that has returned, and one that failed by itself with its own error."""
    pulse, cancelled = Pulse(), list[str]()
    with pulse.cancelling(lambda: cancelled.append("one")):
        pass
    with pytest.raises(OSError, match="own"), pulse.cancelling(lambda: cancelled.append("two")):
        raise OSError("own")
    pulse.alarm(StepFailed("late"))
    assert cancelled == []
    with pytest.raises(StepFailed, match="late"), pulse.cancelling(lambda: None):
        pytest.fail("the call must not begin")


def test_an_alarm_wakes_a_sleeping_pulse_at_once() -> None:
    """On the real clock, from another thread."""
    pulse = Pulse()
    threading.Timer(0.05, lambda: pulse.alarm(StepFailed("trigger"))).start()
    began = time.monotonic()
    with pytest.raises(StepFailed, match="trigger"):
        pulse.wait(lambda: None, 60, what="x", every=60)
    assert time.monotonic() - began < 50


def test_an_undo_has_the_clock_without_the_alarms_and_without_errors_of_the_display() -> None:
    """Deadlines still apply."""

    def broken(_done: float, _total: float, _unit: str) -> None:
        raise ZeroDivisionError

    clock = Time()
    pulse = clock.pulse()
    pulse.progress = broken
    pulse.alarm(StepFailed("trigger"))
    calm = pulse.without_alarms()
    calm.progress(1, 2, "pods")
    calm.pause(3)
    assert (calm.now(), calm.cause) == (103.0, None)
    with pytest.raises(TimedOut):
        calm.wait(lambda: None, 1, what="x")
    real = Pulse()
    real.alarm(StepFailed("trigger"))
    calm = real.without_alarms()
    began = time.monotonic()
    calm.pause(0.1)  # woken by no alarm of the other
    assert time.monotonic() - began >= 0.1
