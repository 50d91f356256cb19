"""Follows the output of a log command: `docker logs -f`, `journalctl -f`, or any other that prints an application's log.

A thread reads the lines from the pipe, so that reading never blocks on a silent program.
"""

import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.adapters.log_lines import LogLine
from cartctl.adapters.programs import GRACE, TAIL, ProgramFailed, inherited, signal_group, track
from cartctl.errors import ConfigError
from cartctl.redaction import cut_beginning

SILENCE = 1.0  # seconds of silence after which the existing lines count as read
MAX_WAIT = 10.0  # and the maximum wait for that in seconds, or the lookback period if longer
MOST = 100_000  # lines kept between two readings; of more, the newest
MAX_LINE = 64 * 1024  # bytes of a line; a longer one is cut into several
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\s\]]*")


class CommandTail:
    """Follows the output of `argv` (never a shell), standard error included, from `since` seconds ago.

    A line that begins with a time (ISO 8601) has that time; any other has the time at which it was received.
    """

    def __init__(
        self, argv: Sequence[str], *, since: float, environment: Mapping[str, str] | None = None
    ) -> None:
        self._argv = list(argv)
        self._environment = {**inherited(), **(environment or {})}
        self._name = Path(argv[0]).name
        self._since = datetime.now(UTC) - timedelta(seconds=since)
        self._max_wait = min(MAX_WAIT, since)
        self._lines: deque[tuple[datetime, bytes]] = deque(maxlen=MOST)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._take, name="logs", daemon=True)
        self._came = 0.0

    def read(self) -> list[LogLine]:
        """The lines since the last read; the first read starts the program and waits for the existing lines.

        Raises ConfigError when it cannot start, ProgramFailed with its last lines when it ended with an error.
        """
        if self._process is None:
            self._start()
            self._settle()
        code = self._ended()
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if code:
            last = cut_beginning(b"\n".join(line for _, line in lines).decode(errors="replace").strip(), TAIL)
            raise ProgramFailed(
                f"{self._name} failed (exit code {code}): {last or 'no message'}", hint="Check logs.command."
            )
        return [line for line in map(self._line, lines) if line is not None]

    def close(self) -> None:
        """Stop the program: SIGTERM first, SIGKILL after GRACE seconds."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(subprocess.TimeoutExpired):
                signal_group(self._process.pid, number)
                self._process.wait(GRACE)
        self._thread.join(GRACE)
        if self._process.stdout:
            self._process.stdout.close()

    def _ended(self) -> int | None:
        """Its exit code; None while it runs, even if it has closed its output."""
        if self._process is None or self._thread.is_alive():
            return None
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(GRACE)
        return None

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # a container's standard error is where its errors are
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(
                f"The command {self._argv[0]!r} cannot start: {error.strerror}.", hint="Check logs.command."
            ) from error
        track(self._process)
        self._thread.start()

    def _take(self) -> None:
        output = self._process.stdout if self._process else None
        while output and (line := output.readline(MAX_LINE)):
            self._came = time.monotonic()
            self._lines.append((datetime.now(UTC), line.rstrip(b"\r\n")))

    def _settle(self) -> None:
        started = self._came = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - started < self._max_wait:
            if time.monotonic() - self._came >= SILENCE:
                return
            self._thread.join(0.05)

    def _line(self, received: tuple[datetime, bytes]) -> LogLine | None:
        """None for a line from before the start."""
        came, line = received
        match = _TIME.match(line)
        at = _moment(match[0].decode(errors="replace")) if match else None
        if at is not None and at < self._since:
            return None
        text = line[match.end() :] if match and at is not None else line
        stamp = (at or came).astimezone(UTC).isoformat().replace("+00:00", "Z")
        return LogLine(stamp, self._name, "", text.decode(errors="replace").strip())


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # not a date, or one that is out of range in another time zone
        return None
