"""Check results for GitHub Actions: annotations as workflow commands, and a job summary in Markdown.

The forms are those of "Workflow commands for GitHub Actions" in GitHub's documentation.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.render.output import Ready
from cartctl.render.safe_text import safe

SHOWN = 10  # annotations of one level that GitHub shows for a step
MAX_CHARACTERS = 300  # characters of a cell of the summary
LARGEST = 900 * 1024  # bytes; GitHub refuses a summary of more than 1 MiB


def is_active(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs in a job of GitHub Actions."""
    return variables.get("GITHUB_ACTIONS") == "true"


@contextmanager
def no_commands(stream: TextIO) -> Iterator[None]:
    """Stop workflow commands for what the block writes: a response that it quotes could contain one."""
    mark = secrets.token_hex(16)
    stream.write(Ready(f"::stop-commands::{mark}\n"))
    try:
        yield
    finally:
        stream.write(Ready(f"::{mark}::\n"))


def annotations(checks: Checks, title: str) -> Iterator[str]:
    """One line per result that is not a pass, worst first; as many as GitHub shows."""
    warned = [check for check in checks.checks if check.verdict is Verdict.WARN]
    for level, results in (("error", checks.bad()), ("warning", warned)):
        for check in results[:SHOWN]:
            yield f"::{level} title={_property(f'{title}: {check.name}')}::{_data(_message(check))}"


def write_summary(checks: Checks, title: str, variables: Mapping[str, str] = os.environ) -> None:
    """Append the results to the job's summary. Raises OSError; does nothing where GitHub names no file."""
    if path := variables.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary(checks, title))


def summary(checks: Checks, title: str) -> str:
    """The results as Markdown: the verdict, and a table without the rows that would not fit."""
    counts = ", ".join(
        f"{number} {verdict}"
        for verdict in Verdict
        if (number := sum(one.verdict is verdict for one in checks.checks))
    )
    text = f"### {_cell(title)}: {checks.verdict}\n\n{counts or 'nothing was checked'}\n\n"
    text += "| check | verdict | observed | expected | seconds |\n|---|---|---|---|---|\n"
    for check in sorted(checks.checks, key=lambda one: one.verdict not in {Verdict.FAIL, Verdict.UNKNOWN}):
        expected = "" if check.expected is None else check.expected
        cells = (check.name, check.verdict, check.observed, expected, f"{check.seconds:.3f}")
        text += f"| {' | '.join(_cell(cell) for cell in cells)} |\n"
        if len(text.encode()) > LARGEST:
            return f"{text}\nMore results are in the log.\n"
    return f"{text}\n"


def _message(check: CheckResult) -> str:
    unknown = "could not be determined: " if check.verdict is Verdict.UNKNOWN else ""
    expected = "" if check.expected is None else f"\nexpected: {check.expected}"
    hint = f"\nhint: {check.hint}" if check.hint else ""
    return safe(f"{unknown}{check.observed}{expected}{hint}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")


def _cell(value: object) -> str:
    """A value in one cell: no markup, no line ends."""
    text = " ".join(safe(f"{value}").split())
    text = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"
    return re.sub(r"[&<>|`\[\]*_~\\!#@]", lambda mark: f"&#{ord(mark[0])};", text)
