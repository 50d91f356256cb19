"""The logs' part of the monitor and of a rollout's gates: counted by minute, a warning at most."""

from collections.abc import Sequence

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.log_lines import LogLine, Tail
from cartctl.checks.log_errors import EVERY, LogErrors
from cartctl.config.model.monitoring import Logs
from cartctl.engine.model import Verdict
from cartctl.monitoring.logs import LogRules


class Readings:
    """Logs that tell what they are given, reading by reading; None is a cluster that does not respond."""

    def __init__(self, *readings: Sequence[LogLine] | None) -> None:
        self.readings = list(readings)

    def read(self) -> list[LogLine]:
        """The next reading."""
        result = self.readings.pop(0) if self.readings else []
        if result is None:
            raise ClusterUnreachable("The API server does not respond.")
        return list(result)


def errors(minute: int, count: int) -> list[LogLine]:
    """So many errors about carts in a minute."""
    return [
        LogLine(f"2026-12-01T12:{minute:02}:{n:02}Z", "api-1", "api", f"ERROR cart {n}") for n in range(count)
    ]


def judged(tail: Tail | None, looks: int = 1) -> tuple[Verdict, str]:
    """The verdict at a limit of 10 after so many looks, each when it is time."""
    logs = LogErrors(lambda: tail, LogRules.of(Logs(errors_per_minute=10)))
    for look in range(looks):
        logs.read_if_due(look * EVERY)
    result = logs.result()
    return result.verdict, str(result.observed)


def test_the_worst_minute_decides() -> None:
    """Eleven in one minute warn, ten in each of two do not; what was read in two readings counts together."""
    assert judged(Readings(errors(30, 11)))[0] is Verdict.WARN
    assert judged(Readings(errors(30, 10), errors(31, 10)), 2)[0] is Verdict.PASS
    verdict, result = judged(Readings(errors(30, 6), errors(30, 5)), 2)
    assert (verdict, "11 errors about carts in the worst minute (2026-12-01T12:30)" in result) == (
        Verdict.WARN,
        True,
    )


def test_lines_without_an_error_about_carts_pass() -> None:
    """And the result says how many were looked at."""
    fine = LogLine("2026-12-01T12:30:59Z", "api-1", "api", "INFO cart")
    assert judged(Readings([fine, fine])) == (Verdict.PASS, "no errors about carts in 2 lines")


def test_logs_that_cannot_be_read_warn_until_they_can() -> None:
    """A cluster that is away is told and ends nothing; neither does an environment without logs pass in silence."""
    assert judged(Readings(None)) == (Verdict.WARN, "not read: The API server does not respond.")
    assert judged(Readings(None, []), 2)[0] is Verdict.PASS
    verdict, result = judged(None)
    assert (verdict, "no logs are configured" in result) == (Verdict.WARN, True)


def test_logs_are_read_no_more_often_than_needed() -> None:
    """Looks between two readings read nothing."""
    result = Readings([], [], [])
    logs = LogErrors(lambda: result, LogRules.of(Logs(errors_per_minute=10)))
    for second in range(int(EVERY) + 1):
        logs.read_if_due(float(second))
    assert len(result.readings) == 1
