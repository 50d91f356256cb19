"""One check at a time: whatever goes wrong in it is its own result and hides no other's."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from cartctl.adapters.postgres import DatabaseUnreachable
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, ConfigError, Refused


def isolated(name: str, ask: Callable[[], Iterable[CheckResult]], pulse: Pulse) -> Iterator[CheckResult]:
    """The results of one check, each with the seconds since the one before; an error becomes a result named `name`.

    A wrong configuration and a guard's refusal are failures; what could not be asked is unknown, never a pass.
    Raises the pulse's alarm.
    """
    last = time.monotonic()
    try:
        for result in ask():
            now = time.monotonic()
            yield replace(result, seconds=round(now - last, 3))
            last = now
    except CartctlError as error:
        pulse.check()
        yield _failure(name, error, time.monotonic() - last)
    except OSError as error:  # a store that cannot be reached, a disk, a socket
        pulse.check()
        reason = f"could not be checked: {error.strerror or error}"
        yield CheckResult(name, Verdict.UNKNOWN, reason, seconds=round(time.monotonic() - last, 3))
    except Exception as bug:  # noqa: BLE001 - the one place: a library's own error in one check must not hide the others
        pulse.check()
        reason = f"could not be checked: {type(bug).__name__}: {bug}"
        yield CheckResult(name, Verdict.UNKNOWN, reason, seconds=round(time.monotonic() - last, 3))


def _failure(name: str, error: CartctlError, seconds: float) -> CheckResult:
    known = isinstance(error, (ConfigError, Refused)) and not isinstance(error, DatabaseUnreachable)
    verdict = Verdict.FAIL if known else Verdict.UNKNOWN
    return CheckResult(name, verdict, error.message, hint=error.hint, seconds=round(seconds, 3))
