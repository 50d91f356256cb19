"""Checks as a JUnit report for CI: one test case each; fail is a failure, unknown an error, warn a pass with a note.

GitLab shows the text of a failure and keeps one of two test cases with the same name; both are provided for here.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.errors import UsageError
from cartctl.render.safe_text import safe

_UNPRINTABLE = re.compile(
    r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # what XML 1.0 cannot hold


def clear_report(path: Path) -> None:
    """Remove an earlier report and create its directory, so that no report survives a run that crashes.

    Raises UsageError when the report could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_device(path):
            path.unlink(missing_ok=True)
            path.touch()
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def write_junit(checks: Checks, path: Path, *, name: str) -> None:
    """Write the report to `path`, all at once. An empty list gives one error, so that no CI takes it for success.

    Raises UsageError when the file cannot be written.
    """
    results = checks.checks or (CheckResult("nothing", Verdict.UNKNOWN, "nothing could be checked"),)
    suite = TestSuite(name)
    for unique, check in _named_apart(results):
        suite.add_testcase(_case(check, unique, name))
    report = JUnitXml("cartctl")
    report.add_testsuite(suite)
    report.update_statistics()  # type: ignore[no-untyped-call]
    part = path if _is_device(path) else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        report.write(str(part), pretty=True)
        part.replace(path)
    except OSError as error:
        if part != path:
            with suppress(OSError):
                part.unlink()
        raise _unwritable(path, error) from error


def _is_device(path: Path) -> bool:
    """Whether the report goes to a stream such as /dev/stdout, which is neither removed nor replaced."""
    stream = path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")  # noqa: S108 - shared memory: files
    return stream or (path.exists() and not path.is_file())


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"Cannot write the report {path}: {error.strerror}.",
        hint="Set --junit to a writable file.",
    )


def _named_apart(checks: Iterable[CheckResult]) -> Iterator[tuple[str, CheckResult]]:
    """Each result with a unique name: repeated names are numbered."""
    used: set[str] = set()
    for check in checks:
        plain = _clean(check.name)
        numbered = (f"{plain} ({number})" for number in count(2))
        name = next(name for name in chain((plain,), numbered) if name not in used)
        used.add(name)
        yield name, check


def _case(check: CheckResult, unique: str, name: str) -> TestCase:
    group, colon, _ = check.name.partition(": ")
    case = TestCase(unique, f"{name}.{_clean(group)}" if colon else name, check.seconds)
    observed, text = _clean(f"{check.observed}"), "\n".join(_lines(check))
    if check.verdict is Verdict.FAIL:
        case.result = [_result(Failure(observed, "fail"), text)]
    elif check.verdict is Verdict.UNKNOWN:
        case.result = [_result(Error(observed, "unknown"), f"could not be determined\n{text}")]
    else:
        passed = check.verdict is Verdict.PASS and not check.attempts
        case.system_out = observed if passed else f"{check.verdict}\n{text}"
    return case


def _result(result: Failure | Error, text: str) -> Failure | Error:
    result.text = text
    return result


def _lines(check: CheckResult) -> Iterator[str]:
    """The result as lines: observed, expected, hint and attempts, where present."""
    yield _clean(f"observed: {check.observed}")
    if check.expected is not None:
        yield _clean(f"expected: {check.expected}")
    if check.hint:
        yield _clean(f"hint: {check.hint}")
    for number, attempt in enumerate(check.attempts, 1):
        seconds = f" after {attempt['seconds']} s" if "seconds" in attempt else ""
        yield _clean(f"attempt {number}: {attempt.get('verdict')}{seconds}: {attempt.get('observed')}")


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("", safe(text))
