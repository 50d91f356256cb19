"""A program's output as a log, with real programs."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from cartctl.adapters.command_logs import CommandTail
from cartctl.adapters.log_lines import LogLine
from cartctl.adapters.programs import ProgramFailed
from cartctl.errors import ConfigError
from tests.sandbox_fixture import wait_for


@contextmanager
def tail(script: str, *arguments: str, since: float = 600) -> Iterator[CommandTail]:
    """The log that a Python script writes."""
    with closing(CommandTail([sys.executable, "-uc", script, *arguments], since=since)) as made:
        yield made


def test_lines_of_both_streams_are_read_with_their_own_times() -> None:
    """A line that begins with a time is of that time; one from before the look-back is left out."""
    old, new = ((datetime.now(UTC) - timedelta(hours=age)).isoformat() for age in (2, 0))
    script = "import sys; print(sys.argv[1], 'old'); print(sys.argv[2], 'ERROR cart'); print('P2002', file=sys.stderr)"
    with tail(script, old, new) as logs:
        first, second = logs.read()
        assert (first.text, second.text, logs.read()) == ("ERROR cart", "P2002", [])
    assert datetime.fromisoformat(first.at) == datetime.fromisoformat(new)
    assert datetime.fromisoformat(second.at) - datetime.fromisoformat(first.at) < timedelta(minutes=5)


def test_a_program_that_goes_on_is_read_on_and_ended_at_the_close() -> None:
    """What is there at once, then what comes; a reading never waits for a silent program."""
    script = "import os, sys; print(os.getpid())\nfor line in open(sys.argv[1]): print('later', line)"
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe, tail(script, f"/proc/{os.getpid()}/fd/{read}") as logs:
        (line,) = logs.read()
        assert logs.read() == []
        pipe.write("P2003\n")
        pipe.flush()
        results: list[LogLine] = []

        def came() -> list[LogLine]:
            results.extend(logs.read())
            return results

        wait_for(came)
        assert results[0].text == "later P2003"
    os.close(read)
    with pytest.raises(ProcessLookupError):
        os.kill(int(line.text), 0)


def test_a_program_that_fails_reports_why() -> None:
    """Its last lines are in the error; one that cannot start is a wrong configuration."""
    with tail("import sys; sys.exit('No such container: api')") as logs:
        with pytest.raises(ProgramFailed, match=r"exit code 1\): No such container: api") as wrong:
            logs.read()
        assert wrong.value.hint == "Check logs.command."
    with (
        closing(CommandTail(["no-such-program"], since=1)) as none,
        pytest.raises(ConfigError, match="'no-such-program' cannot start"),
    ):
        none.read()


def test_a_program_that_only_closes_its_output_is_not_waited_for() -> None:
    """It has told all that it will, and is ended at the close."""
    with tail("import os, time; print('P2002'); os.close(1); os.close(2); time.sleep(600)") as logs:
        assert [line.text for line in logs.read()] == ["P2002"]
        assert logs.read() == []


def test_its_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """As every program of the user's: the path and the home, no token."""
    monkeypatch.setenv("CART_DSN", "postgresql://u:hunter2@h/d")
    with tail("import os; print(sorted(os.environ))") as logs:
        (line,) = logs.read()
    assert "PATH" in line.text
    assert "CART_DSN" not in line.text
