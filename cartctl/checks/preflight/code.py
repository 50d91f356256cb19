"""What the code side shows: test reports without failures and with enough tests, and commands that succeed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from cartctl.adapters.programs import Program, ProgramFailed, inherited, run
from cartctl.checks.preflight.look import failed, passed
from cartctl.config.model import Preflight
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

LARGEST = 32 * 1024 * 1024  # bytes of a report
COMMAND_LIMIT = timedelta(minutes=10)


class UnusableReportError(ValueError):
    """A report that cannot count as evidence; its text says why."""


def look_at_code(settings: Preflight, pulse: Pulse) -> Iterator[CheckResult]:
    """Every report and command of the configuration. Commands run as the operator, in the current directory."""
    if not settings.junit and not settings.commands:
        yield passed("code", "not configured")
    for path, least in settings.junit.items():
        yield _report(Path(path), least)
    for argv in settings.commands:
        yield _command(argv, pulse)


def _report(path: Path, least: int) -> CheckResult:
    name, expected = f"code.{path.name}", f"no failures, at least {least} tests"
    try:
        ran, bad = _count(_parse(path))
    except UnusableReportError as why:
        return failed(name, str(why), expected, f"Run the tests again and write their report to {path}.")
    if bad:
        return failed(name, f"{len(bad)} of {ran} failed: {', '.join(bad[:3])}", expected, "Mend what fails.")
    if ran < max(least, 1):
        return failed(
            name, f"{ran} tests ran", expected, "Run all of them: a part proves nothing of the rest."
        )
    return passed(name, f"{ran} tests passed", expected)


def _parse(path: Path) -> Element:
    """The report. An XML document with a DTD is refused: a test report needs none, and entities can be bombs."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise UnusableReportError(f"{path}: {error.strerror}") from error
    if len(content) > LARGEST:
        raise UnusableReportError(f"{path} is larger than {LARGEST // 2**20} MB")
    try:
        text = content.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise UnusableReportError(f"{path} has a document type declaration")
        root = fromstring(text.encode())  # noqa: S314 - without a DTD there is nothing to expand
    except (UnicodeDecodeError, ParseError) as error:
        raise UnusableReportError(f"{path} is no JUnit report: {error}") from error
    if root.tag not in {"testsuite", "testsuites"}:
        raise UnusableReportError(f"{path} is no JUnit report: it begins with {root.tag}")
    return root


def _count(report: Element) -> tuple[int, list[str]]:
    """Tests that ran, counted one by one, and those that did not succeed; a skipped test did not run.

    A suite may count failures of its own (one that could not be loaded has no test to show it at).
    """
    cases = [case for case in report.iter("testcase") if case.find("skipped") is None]
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    told = [
        f"{suite.get('name') or 'a suite'}, which counts {suite.get(count)} {count}"
        for suite in (report, *report.iter("testsuite"))
        for count in ("failures", "errors")
        if suite.get(count, "0").strip() not in {"", "0"}
    ]
    return len(cases), [str(case.get("name")) for case in bad] or told


def _command(argv: tuple[str, ...], pulse: Pulse) -> CheckResult:
    name, expected = f"code.{' '.join(argv)}", "exit code 0"

    def attend(program: Program) -> None:
        pulse.wait(program.finished, COMMAND_LIMIT.total_seconds(), what=" ".join(argv))

    try:
        run(argv, inherited(), attend)
    except (ProgramFailed, OSError) as error:
        return failed(name, str(error), expected, "Mend it, or correct preflight.commands.")
    return passed(name, expected)
