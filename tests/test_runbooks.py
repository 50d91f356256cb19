"""Runbooks are followed literally: their commands parse and run, and their decision tables agree with the exit codes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.cli import app
from tests.sandbox_fixture import Sandbox
from tests.test_conventions import calls, command_lines

ROOT = Path(__file__).parents[1]
RUNBOOKS = sorted((ROOT / "runbooks").rglob("*.md"))
MARK = "<!-- run -->"
EXPECTED = (
    "stuck lock",
    "failed migration",
    "no data",
    "unfinished run",
    "restore",
    "full disk",
    "API server down",
    "Prometheus down",
)
MEANINGS = {  # what a row for an exit code must say, here and in docs/exit-codes.md
    0: "success|continues",
    1: "bug",
    2: "command line|configuration",
    3: "refused",
    4: "revert|rolled back|as before",
    5: "operator|could not be reverted",
    6: "measure",
    7: "check failed",
    8: "another run",
    129: "SIGHUP",
    130: "Ctrl-C",
    143: "SIGTERM",
}


def marked(text: str) -> Iterator[list[str]]:
    """The calls of cartctl in the blocks that are marked to run."""
    for block in text.split(MARK)[1:]:
        lines = block.partition("```console\n")[2].partition("```")[0].splitlines()
        yield from (words for line in lines for words in calls(line))


def decisions(text: str) -> Iterator[tuple[int, str]]:
    """Each row of each table by exit code: the code and the rest of the row."""
    in_table = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        in_table = bool(cells) and (in_table or cells[0] == "exit code")
        if in_table and re.fullmatch(r"[\d, ]+", cells[0]):
            yield from ((int(code), " ".join(cells[1:])) for code in re.findall(r"\d+", cells[0]))


def test_every_incident_has_its_section() -> None:
    """One symptom each, with commands that only read, which run in the sandbox."""
    text = (ROOT / "runbooks/incidents.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [title.lower() for title in titles] == [title.lower() for title in EXPECTED]
    assert text.count(MARK) == len(EXPECTED)


def test_the_card_fits_one_page() -> None:
    """At most 60 lines, as printed."""
    assert len((ROOT / "runbooks/on-call.md").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_decision_tables_agree_with_the_exit_codes(runbook: Path) -> None:
    """Each code exists, and its row says what docs/exit-codes.md says."""
    documented = dict(decisions((ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")))
    assert documented.keys() == MEANINGS.keys()
    assert all(re.search(MEANINGS[code], text) for code, text in documented.items())
    wrong = [
        (code, text)
        for code, text in decisions(runbook.read_text(encoding="utf-8"))
        if code not in MEANINGS or not re.search(MEANINGS[code], text)
    ]
    assert wrong == []


def test_a_wrong_row_is_found() -> None:
    """A table that calls exit code 4 a refusal would not pass."""
    [(code, text)] = decisions("| exit code | what |\n|---|---|\n| 4 | refused |\n")
    assert not re.search(MEANINGS[code], text)


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_a_runbook_name_an_environment_or_need_none(runbook: Path) -> None:
    """A line is never half copied: no placeholder in capital letters or angle brackets stands in a command."""
    for number, words in command_lines(runbook.read_text(encoding="utf-8")):
        given = [word for word, before in zip(words, ["", *words], strict=False) if before != "--role"]
        assert not [word for word in given if re.fullmatch(r"<.*>|[A-Z]{3,}", word)], (number, words)


def test_marked_commands_run_in_the_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends with success or with a result that its runbook explains, never with a usage error or a bug."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(sandbox.state_directory))
    deployed = CliRunner().invoke(app, shlex.split("deploy --env sandbox --yes --quiet --monitor-for 1s"))
    assert deployed.exit_code == 0, deployed.output
    lines = dict.fromkeys(
        shlex.join(words) for path in RUNBOOKS for words in marked(path.read_text(encoding="utf-8"))
    )
    assert len(lines) >= 12
    for line in lines:
        done = CliRunner().invoke(app, shlex.split(line.replace("--env production", "--env sandbox")))
        assert done.exit_code in {0, 6, 7}, (line, done.output)
        assert "Traceback" not in done.output
