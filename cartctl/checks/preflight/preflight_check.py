"""One preflight check: a name and a function, executed in a separate thread; its result is never a guess."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from cartctl.checks.isolation import isolated
from cartctl.checks.results import unknown
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse, TimedOut

WORKERS = 8
LIMIT = 660.0  # seconds; above the limit of each check


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One preflight check: `run` yields results whose names are `NAME` or start with `NAME.`."""

    name: str
    run: Callable[[Pulse], Iterable[CheckResult]]

    def results(self, pulse: Pulse) -> list[CheckResult]:
        """The results, each with the seconds since the one before. An error is a failure or unknown, never a pass."""
        return list(isolated(self.name, lambda: self.run(pulse), pulse))


def run_checks(checks: Iterable[PreflightCheck], pulse: Pulse, *, limit: float = LIMIT) -> list[CheckResult]:
    """The results of all checks, in order; they are executed concurrently.

    One that has no result within `limit` seconds is unknown and hides no other. Raises the pulse's alarm.
    """
    with _pool() as pool:
        waiting: list[tuple[PreflightCheck, Future[list[CheckResult]]]] = [
            (check, pool.submit(check.results, pulse)) for check in checks
        ]
        total = len(waiting)

        def finished() -> bool:
            done = sum(future.done() for _, future in waiting)
            pulse.progress(done, total, "checks")
            return done == total

        with suppress(TimedOut):
            pulse.wait(finished, limit, what="The preflight", every=0.01)
        return [result for check, future in waiting for result in _results(check, future, limit)]


def _results(check: PreflightCheck, future: "Future[list[CheckResult]]", limit: float) -> list[CheckResult]:
    if future.done():
        return future.result()
    hint = f"Skip it: cartctl preflight --skip {check.name} --reason TEXT"
    return [unknown(check.name, f"no result within {limit:g} s", "a result", hint)]


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """A pool that an alarm does not wait for: every check has its own time limit."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="preflight")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
