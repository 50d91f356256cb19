"""Running cases that need each other: a bounded number at the same time, each after the cases that it needs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from cartctl.checks.smoke.cases import Case
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse

POLL = 0.05  # seconds between two looks at the alarm

Outcome: TypeAlias = tuple[CheckResult, Mapping[str, Any]]  # a result, and the values that the case captured
RunCase: TypeAlias = Callable[[Case, Mapping[str, Any]], Outcome]


def run_cases(
    cases: Sequence[Case], run: RunCase, pulse: Pulse, *, concurrency: int, deadline: float
) -> list[CheckResult]:
    """One result per case, in the given order.

    `run` is called in a thread, with the values captured by the cases that a case needs. A case is not run if one that it needs
    has not passed, or after `deadline` (on the pulse's clock). Raises the pulse's alarm; running requests end by themselves then.
    """
    state = _State(cases, deadline)
    jobs: SimpleQueue[tuple[Case, Mapping[str, Any]] | None] = SimpleQueue()
    done: SimpleQueue[tuple[Case, Outcome | BaseException]] = SimpleQueue()
    workers = min(concurrency, len(cases))
    for _ in range(workers):
        threading.Thread(target=_work, args=(jobs, done, run), name="cartctl smoke", daemon=True).start()
    try:
        while state.unfinished:
            for case in state.take_ready(pulse.now(), workers):
                jobs.put((case, state.values_for(case)))
            _receive(done, state, pulse)
    finally:
        for _ in range(workers):
            jobs.put(None)
    return [state.results[case.name] for case in cases]


def _work(jobs: Any, done: Any, run: RunCase) -> None:
    while (job := jobs.get()) is not None:
        case, values = job
        try:
            done.put((case, run(case, values)))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            done.put((case, error))


def _receive(done: Any, state: "_State", pulse: Pulse) -> None:
    """Take the next outcome, if one arrives soon."""
    pulse.check()
    if not state.running:
        return
    try:
        case, outcome = done.get(timeout=POLL)
    except Empty:
        return
    if isinstance(outcome, BaseException):
        raise outcome
    state.finish(case, *outcome)


class _State:
    """Which cases wait, run and have finished."""

    def __init__(self, cases: Sequence[Case], deadline: float) -> None:
        self.results: dict[str, CheckResult] = {}
        self.running: set[str] = set()
        self._waiting = {case.name: case for case in cases}
        self._captured: dict[str, Mapping[str, Any]] = {}
        self._deadline = deadline

    @property
    def unfinished(self) -> bool:
        """Whether cases wait or run."""
        return bool(self._waiting or self.running)

    def take_ready(self, now: float, workers: int) -> list[Case]:
        """The cases to start now; those that cannot run any more get their result."""
        ready: list[Case] = []
        for case in list(self._waiting.values()):
            blocking = [need for need in case.needs if not self._usable(need)]
            if now >= self._deadline:
                self._skip(
                    case, "not run: the deadline of the smoke tests was reached", "Raise the deadline."
                )
            elif any(need in self.results for need in blocking):
                missing = next(need for need in blocking if need in self.results)
                self._skip(case, f"not run: it needs {missing}, which did not pass", "")
            elif not blocking and len(self.running) < workers:
                ready.append(case)
                self.running.add(case.name)
                del self._waiting[case.name]
        return ready

    def values_for(self, case: Case) -> dict[str, Any]:
        """The values captured by the cases that a case needs, directly or through others, and its own."""
        values: dict[str, Any] = {}
        for need in case.needs:
            values |= self._captured[need]
        return {**values, **case.values}

    def finish(self, case: Case, result: CheckResult, captured: Mapping[str, Any]) -> None:
        """Record an outcome; what a case inherited is passed on to those that need it."""
        self.running.discard(case.name)
        self.results[case.name] = result
        inherited: dict[str, Any] = {}
        for need in case.needs:
            inherited |= self._captured.get(need, {})
        self._captured[case.name] = {**inherited, **captured}

    def _usable(self, need: str) -> bool:
        result = self.results.get(need)
        return result is not None and result.verdict in {Verdict.PASS, Verdict.WARN}

    def _skip(self, case: Case, reason: str, hint: str) -> None:
        del self._waiting[case.name]
        self.results[case.name] = CheckResult(case.name, Verdict.UNKNOWN, reason, hint=hint)
