"""What cartctl names is for its user alone from the first moment, whatever the umask."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cartctl.adapters.programs import for_at_most, inherited, run
from cartctl.engine.journal.stores import FileJournal
from cartctl.private_files import (
    DIRECTORY,
    FILE,
    UMASK,
    append_private,
    open_private,
    private_directory,
    write_private,
)
from tests.render.story import success
from tests.source import ROOT, modules

MINUTE = timedelta(minutes=1)
BY_USER = {  # path: why it makes files or directories with the user's umask, or of its own
    "cartctl/render/github.py": "the file of GITHUB_STEP_SUMMARY is the CI job's",
    "cartctl/render/html/destination.py": "the path of --html and --report is the user's",
    "cartctl/render/junit.py": "the path of --junit is the user's",
    "cartctl/adapters/flag_store.py": "rollout.flags.file is the user's",
    "cartctl/adapters/squawk.py": "in a private temporary directory",
    "cartctl/config/starter.py": "config init writes the user's file",
    "cartctl/adapters/export_files.py": "migrate export and monitor export write into the user's directory",
    "cartctl/private_files.py": "the helper itself",
    "cartctl/adapters/openssh/signatures.py": "in a private temporary directory",
    "cartctl/plans/signoff/exchange_files.py": "requests and approvals are the user's files, for other people",
    "cartctl/snapshots/storage/remote.py": "in a private temporary directory",
    "cartctl/snapshots/storage/local.py": "one directory below a private one, 0700",
}


def mode(path: Path) -> int:
    """The permission bits."""
    return path.stat().st_mode & 0o777


@pytest.fixture(params=(0o000, 0o022, 0o077, 0o277), ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask for one test."""
    previous = os.umask(request.param)
    yield request.param
    os.umask(previous)


@pytest.mark.usefixtures("umask")
def test_what_is_made_is_private(tmp_path: Path) -> None:
    """Directories 0700, those above them too where they were missing; files 0600."""
    deep = private_directory(tmp_path / "a" / "b")
    write_private(deep / "c" / "file", "x")
    os.close(append_private(deep / "log"))
    assert {mode(each) for each in (tmp_path / "a", deep, deep / "c")} == {DIRECTORY}
    assert {mode(each) for each in (deep / "c" / "file", deep / "log")} == {FILE}
    assert (deep / "c" / "file").read_text() == "x"
    assert [path.name for path in (deep / "c").iterdir()] == ["file"]


@pytest.mark.usefixtures("umask")
def test_a_runs_file_is_private(tmp_path: Path) -> None:
    """The local journal and the mark beside it."""
    journal = FileJournal(tmp_path / "state" / "runs")
    journal.belong_to("x")
    for event in success():
        journal.append(event)
    assert {mode(each) for each in journal.directory.iterdir()} == {FILE}
    assert {mode(journal.directory), mode(tmp_path / "state")} == {DIRECTORY}


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    """An existing file of ours loses the rights of others when it is written again."""
    old = tmp_path / "run.ndjson"
    old.write_text("x")
    old.chmod(0o644)
    os.close(open_private(old, os.O_WRONLY | os.O_APPEND))
    assert mode(old) == FILE


def test_a_failure_leaves_the_old_text_and_no_draft(tmp_path: Path) -> None:
    """A text that cannot be written replaces nothing."""
    write_private(tmp_path / "f", "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "f", "\ud800")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_program_writes_private_files_on_request(tmp_path: Path) -> None:
    """`umask` is the program's: pg_dump and age never make a file that others may read."""
    previous = os.umask(0)
    try:
        for name, given in (("ours", UMASK), ("theirs", -1)):
            run(["/usr/bin/touch", str(tmp_path / name)], inherited(), for_at_most(MINUTE), umask=given)
    finally:
        os.umask(previous)
    assert (mode(tmp_path / "ours"), mode(tmp_path / "theirs")) == (0o600, 0o666)


def test_no_module_makes_files_in_another_way() -> None:
    """Whoever makes a file or directory uses the helper, or stands in the list with the reason."""
    ways = (
        ".mkdir(",
        ".write_text(",
        ".write_bytes(",
        ".touch(",
        "O_CREAT",
        '.open("w',
        '.open("a',
        '.open("x',
        ".chmod(",
    )
    results = {
        path
        for path, text, _ in modules()
        if not path.startswith("cartctl/cart/") and any(way in text for way in ways)
    }
    assert results - {"cartctl/adapters/postgres_server/scratch.py"} == BY_USER.keys() & results
    assert all((ROOT / path).exists() for path in BY_USER)
