"""How many errors about carts the application's logs hold: more in a minute than is usual are worth a warning, never more."""

from collections.abc import Callable
from dataclasses import asdict

from cartctl.adapters.log_lines import Tail
from cartctl.engine.model import CheckResult, Verdict
from cartctl.errors import CartctlError
from cartctl.monitoring.logs import Hit, LogRules, Tally
from cartctl.redaction import cut

EVERY = 15.0  # seconds between two readings
CUT = 160  # characters of a line that are shown


class LogErrors:
    """Counts from its first look on. `find` opens the logs, None where nobody says whose; `rules` say which lines count."""

    def __init__(self, find: Callable[[], Tail | None], rules: LogRules) -> None:
        self._find = find
        self._tally = Tally(rules)
        self._tail: Tail | None = None
        self._last: Hit | None = None
        self._looked: float | None = None
        self._unread = ""

    def read_if_due(self, now: float) -> None:
        """Read on, when it is time to; `now` is seconds on a clock of the caller's. Read-only."""
        if self._looked is not None and now - self._looked < EVERY:
            return
        self._looked = now
        self.read()

    def read(self) -> None:
        """Read on. An unreadable log becomes part of the result and does not end the monitoring. Read-only."""
        try:
            self._tail = self._tail or self._find()
            lines = self._tail.read() if self._tail else []
        except CartctlError as failed:
            self._unread = failed.message
            return
        self._unread = "" if self._tail else "no logs are configured"
        for hit in self._tally.take(lines):
            self._last = hit if hit.pattern else self._last

    def result(self) -> CheckResult:
        """Warns for a minute above the limit, with the last line that counted, and for logs that were not read."""
        summary = self._tally.summary()
        expected = f"at most {summary.limit} errors about carts a minute"
        if self._unread:
            hint = "Set logs.selector or logs.command; try: cartctl logs"
            return CheckResult("logs", Verdict.WARN, f"not read: {self._unread}", expected, hint)
        if not summary.most or self._last is None:
            return CheckResult(
                "logs", Verdict.PASS, f"no errors about carts in {summary.lines} lines", expected
            )
        observed = (
            f"{summary.most} errors about carts in the worst minute ({summary.worst_minute}), the last: "
        )
        observed += f"{self._last.pod} {cut(self._last.text, CUT)}"
        verdict = Verdict.WARN if summary.warned else Verdict.PASS
        groups = tuple(asdict(group) for group in summary.groups)
        return CheckResult("logs", verdict, observed, expected, "See: cartctl logs --follow", groups=groups)
