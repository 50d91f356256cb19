"""One look of the preflight: a name and a question, asked in a thread of its own and never answered with a guess."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cartctl.adapters.postgres import DatabaseUnreachable
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, ConfigError, Refused

WORKERS = 8
LIMIT = 660.0  # seconds; above the limit that each look keeps of its own


@dataclass(frozen=True, slots=True)
class Look:
    """Part of the preflight: `ask` gives results whose names are `NAME` or begin with `NAME.`."""

    name: str
    ask: Callable[[Pulse], Iterable[CheckResult]]

    def take(self, pulse: Pulse) -> list[CheckResult]:
        """The results, each with the seconds since the former one. An error is a failure or unknown, never a pass."""
        results: list[CheckResult] = []
        last = time.monotonic()
        try:
            for result in self.ask(pulse):
                now = time.monotonic()
                results.append(replace(result, seconds=round(now - last, 3)))
                last = now
        except CartctlError as error:
            pulse.check()
            results.append(self._failure(error, time.monotonic() - last))
        return results

    def _failure(self, error: CartctlError, seconds: float) -> CheckResult:
        """A wrong configuration is known to be wrong; what did not answer is not known."""
        known = isinstance(error, (ConfigError, Refused)) and not isinstance(error, DatabaseUnreachable)
        verdict = Verdict.FAIL if known else Verdict.UNKNOWN
        return CheckResult(self.name, verdict, error.message, hint=error.hint, seconds=round(seconds, 3))


def take_all(looks: Iterable[Look], pulse: Pulse) -> list[CheckResult]:
    """Every look's results, in the order of the looks, asked side by side. Raises the pulse's alarm."""
    with _pool() as pool:
        waiting: list[Future[list[CheckResult]]] = [pool.submit(look.take, pulse) for look in looks]
        total = len(waiting)

        def finished() -> bool:
            done = sum(one.done() for one in waiting)
            pulse.progress(done, total, "checks")
            return done == total

        if waiting:
            pulse.wait(finished, LIMIT, what="The preflight", every=0.01)
        return [result for one in waiting for result in one.result()]


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """A pool that an alarm does not wait for: every look has a time limit of its own."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="preflight")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def passed(name: str, observed: object, expected: object = None) -> CheckResult:
    """It is as it should be."""
    return CheckResult(name, Verdict.PASS, observed, expected)


def failed(name: str, observed: object, expected: object, hint: str) -> CheckResult:
    """It is not as it should be; `hint` says what to do."""
    return CheckResult(name, Verdict.FAIL, observed, expected, hint)


def warned(name: str, observed: object, expected: object, hint: str) -> CheckResult:
    """It is not as it should be, and a deployment may go on nevertheless."""
    return CheckResult(name, Verdict.WARN, observed, expected, hint)


def unknown(name: str, observed: object, expected: object, hint: str) -> CheckResult:
    """It could not be found out."""
    return CheckResult(name, Verdict.UNKNOWN, observed, expected, hint)
