"""What CI services read: the JUnit report, GitHub's annotations and its job summary."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from junitparser import JUnitXml, TestCase

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.errors import UsageError
from cartctl.render import github
from cartctl.render.junit import clear_report, write_junit
from tests.services import IN_MEMORY
from tests.shell import Shell
from tests.web import Reply, WebRequest, serve

ATTEMPTS = (
    {"verdict": "fail", "observed": "HTTP 503", "seconds": 0.1},
    {"verdict": "pass", "observed": "HTTP 200", "seconds": 0.2},
)
CHECKS = Checks(
    (
        CheckResult("critical: auth", Verdict.PASS, "ok", seconds=0.5),
        CheckResult("pages: /carts", Verdict.FAIL, "HTTP <500> & \x00\x1b[31m", "HTTP 200", "See the log."),
        CheckResult("endpoints: x", Verdict.UNKNOWN, "no response", hint="Check the address."),
        CheckResult("own: y", Verdict.WARN, "HTTP 200, at attempt 2", "at the first", attempts=ATTEMPTS),
        CheckResult("own: y", Verdict.PASS, "again"),
        CheckResult("own: y (2)", Verdict.PASS, "a name that a number could take"),
    )
)
SUITE = '[[request]]\nname = "products"\npath = "/api/products"\n'


def cases(path: Path) -> dict[str, TestCase]:
    """The test cases by name."""
    read = [case for suite in JUnitXml.fromfile(str(path)) for case in suite]
    named = {str(case.name): case for case in read}
    assert len(named) == len(read), "GitLab keeps one of two cases with the same name"
    return named


@pytest.fixture
def report(tmp_path: Path) -> dict[str, TestCase]:
    """The report of CHECKS."""
    write_junit(CHECKS, tmp_path / "j.xml", name="smoke")
    return cases(tmp_path / "j.xml")


def test_a_failure_contains_everything_in_its_text(report: dict[str, TestCase]) -> None:
    """Observed, expected and hint: GitLab shows the text and not the message."""
    [failure] = report["pages: /carts"].result
    assert failure.text.split("\n") == [
        r"observed: HTTP <500> & \x00\x1b[31m",
        "expected: HTTP 200",
        "hint: See the log.",
    ]


def test_unknown_is_an_error(report: dict[str, TestCase]) -> None:
    """What could not be determined is neither a failure nor a pass."""
    [error] = report["endpoints: x"].result
    assert type(error).__name__ == "Error"
    assert error.text == "could not be determined\nobserved: no response\nhint: Check the address."


def test_times_and_attempts_are_there(report: dict[str, TestCase]) -> None:
    """A late pass contains what each attempt observed."""
    assert report["critical: auth"].time == 0.5
    assert "attempt 1: fail after 0.1 s: HTTP 503" in str(report["own: y"].system_out)


def test_names_are_unique(report: dict[str, TestCase]) -> None:
    """Also where the numbered name is taken."""
    assert [name for name in report if name.startswith("own")] == ["own: y", "own: y (2)", "own: y (2) (2)"]


def test_no_result_is_an_error(tmp_path: Path) -> None:
    """An empty run does not look green."""
    write_junit(Checks(), tmp_path / "j.xml", name="smoke")
    assert JUnitXml.fromfile(str(tmp_path / "j.xml")).errors == 1


def test_the_directory_is_created_and_the_earlier_report_removed(tmp_path: Path) -> None:
    """Before the run begins."""
    path = tmp_path / "build" / "reports" / "j.xml"
    clear_report(path)
    assert not path.exists()
    write_junit(CHECKS, path, name="smoke")
    clear_report(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(not os.access(IN_MEMORY, os.W_OK), reason="no shared memory")
def test_a_report_in_shared_memory_is_a_file() -> None:
    """It is below /dev, and neither a device nor a stream."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "j.xml"
        write_junit(CHECKS, path, name="smoke")
        clear_report(path)
        assert not path.exists()


@pytest.mark.parametrize("name", ("file/j.xml", "folder"))
def test_a_report_that_cannot_be_written_is_refused_first(tmp_path: Path, name: str) -> None:
    """Exit code 2 before any request, in one sentence."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="Cannot write the report"):
        write_junit(CHECKS, tmp_path / name, name="smoke")
    shell = Shell(tmp_path)
    shell.write("own.toml", SUITE)
    with serve(lambda _: Reply()) as web:
        done = shell("smoke", "--url", web.url, "--suite", "own.toml", "--junit", name)
        assert (done.returncode, web.paths()) == (2, [])


def test_a_report_to_stdout_is_written_as_it_is(tmp_path: Path) -> None:
    """A stream is neither removed nor replaced."""
    shell = Shell(tmp_path)
    shell.write("own.toml", SUITE)
    with serve(lambda _: Reply()) as web:
        done = shell("smoke", "--url", web.url, "--suite", "own.toml", "--junit", "/dev/stdout")
    assert "<testsuites" in done.stdout


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM))
def test_a_killed_run_leaves_no_report(tmp_path: Path, number: signal.Signals) -> None:
    """A green report of yesterday must not be that of a run that was killed today."""
    waiting, go = threading.Event(), threading.Event()

    def slow(_: WebRequest) -> Reply:
        waiting.set()
        go.wait(30)
        return Reply()

    Shell(tmp_path).write("own.toml", SUITE + SUITE.replace("products", "orders"))
    (tmp_path / "j.xml").write_text("<testsuites/>", encoding="utf-8")
    with serve(slow) as web:
        args = ("smoke", "--url", web.url, "--suite", "own.toml", "--junit", "j.xml")
        with subprocess.Popen(
            [sys.executable, "-m", "cartctl", *args], cwd=tmp_path, stderr=subprocess.DEVNULL
        ) as process:
            assert waiting.wait(30)
            process.send_signal(number)
            time.sleep(0.2)
            go.set()
            assert process.wait(30) != 0
    assert not list(tmp_path.glob("*.xml"))


def test_annotations_are_one_line_each() -> None:
    """Failures and unknown results are errors, a warning is a warning; GitHub shows ten of each."""
    lines = list(github.annotations(CHECKS, "smoke"))
    assert lines == [
        r"::error title=smoke%3A pages%3A /carts::HTTP <500> & \x00\x1b[31m%0Aexpected: HTTP 200%0Ahint: See the log.",
        "::error title=smoke%3A endpoints%3A x::could not be determined: no response%0Ahint: Check the address.",
        "::warning title=smoke%3A own%3A y::HTTP 200, at attempt 2%0Aexpected: at the first",
    ]
    many = Checks(tuple(CheckResult(f"{n}", Verdict.FAIL, "100%\n::error::x") for n in range(30)))
    assert len(list(github.annotations(many, "smoke"))) == 10
    assert all("\n" not in line and "100%25%0A" in line for line in github.annotations(many, "smoke"))


def test_a_summary_is_a_table_whatever_it_quotes() -> None:
    """A cell holds no markup of what was observed, and a large summary ends before GitHub's limit."""
    odd = Checks((CheckResult("a|b", Verdict.FAIL, "<img src=x>\n| `x` | [y](z)", "*"),))
    *_, row = github.summary(odd, "smoke").strip().split("\n")
    assert row.count("|") == 6
    assert not re.search(r"[<`\[*]", row)
    many = Checks(tuple(CheckResult(f"{n}", Verdict.PASS, "x" * 300) for n in range(9000)))
    assert len(github.summary(many, "smoke").encode()) < 1024 * 1024


def test_a_job_of_github_gets_annotations_and_a_summary(tmp_path: Path) -> None:
    """Annotations on stderr, a summary in the file that GitHub names; a response cannot contain a command of its own."""
    shell = Shell(tmp_path)
    shell.write("own.toml", SUITE + 'contains = "hat"\n')
    summary = tmp_path / "summary.md"
    line = ("smoke", "--suite", "own.toml", "--url")
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    with serve(lambda _: Reply("\n::set-output name=x::y\n")) as web:
        done = shell(*line, web.url, **variables)
        assert done.returncode == 7
        assert "::error title=smoke%3A own%3A products::" in done.stderr
        first, *_, last = done.stdout.strip().split("\n")
        assert re.fullmatch(r"::stop-commands::\w{32}", first)
        assert last == f"::{first.rpartition(':')[2]}::"
        assert "| own: products | fail |" in summary.read_text(encoding="utf-8")
        assert shell.json(*line, web.url, **variables)["verdict"] == "fail"
        lost = shell(*line, web.url, **{**variables, "GITHUB_STEP_SUMMARY": str(tmp_path / "none/s.md")})
        assert (lost.returncode, "cannot write the job summary" in lost.stderr) == (7, True)
        assert "::" not in shell(*line, web.url).stderr
