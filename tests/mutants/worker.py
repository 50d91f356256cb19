"""Runs pytest again and again, each time in a fork of this process, which has loaded the libraries: `python -P worker.py`.

It reads one line of JSON per run from stdin, [arguments, seconds], and answers with pytest's exit code, or null for a run
that took longer. Nothing of the package or its tests is loaded here, so every fork sees the files as they are now.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress

import alembic.command
import httpx
import hypothesis
import psycopg
import pydantic
import pytest
import sqlalchemy
import typer

# Only the plugins that the tests need: the others take longer to load than most tests to run.
PLUGINS = ("pytest_timeout", "xdist.plugin", "_hypothesis_pytestplugin")
LOADED = (alembic.command, httpx, hypothesis, psycopg, pydantic, sqlalchemy, typer)
POLL = 0.02  # seconds
OUTPUT = ".output"  # of the last run, in the current directory


def run(arguments: list[str], seconds: float) -> int | None:
    """The exit code of pytest with these arguments, None after that many seconds; what it started is ended."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for end in (1, 2):
            os.dup2(output, end)
        plugins = [argument for plugin in PLUGINS for argument in ("-p", plugin)]
        os._exit(pytest.main(["-q", "-p", "no:cacheprovider", *plugins, *arguments]))
    try:
        return _wait(child, time.monotonic() + seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _wait(child: int, end: float) -> int | None:
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(*json.loads(line))) + "\n")
        sys.stdout.flush()
