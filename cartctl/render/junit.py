"""Checks as a JUnit report for CI: a test case each; fail is a failure, unknown an error, warn a pass that says so."""

import re
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.errors import UsageError
from cartctl.render.safe_text import safe

_UNPRINTABLE = re.compile(
    r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # what XML 1.0 cannot hold


def write_junit(checks: Checks, path: Path, *, name: str) -> None:
    """Write the report to `path`. Nothing looked at is one error, so that no CI reads it as success.

    Raises UsageError when the file cannot be written.
    """
    suite = TestSuite(name)
    for check in checks.checks:
        suite.add_testcase(_case(check, name))
    if not checks.checks:
        suite.add_testcase(_case(CheckResult("nothing", Verdict.UNKNOWN, "nothing could be checked"), name))
    report = JUnitXml("cartctl")
    report.add_testsuite(suite)
    report.update_statistics()  # type: ignore[no-untyped-call]
    try:
        report.write(str(path), pretty=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write the report {path}: {error.strerror}.",
            hint="Set --junit to a file in an existing directory.",
        ) from error


def _case(check: CheckResult, name: str) -> TestCase:
    group, colon, rest = check.name.partition(": ")
    case = TestCase(_clean(rest or group), f"{name}.{_clean(group)}" if colon else name, check.seconds)
    observed = _clean(f"{check.observed}")
    if check.verdict is Verdict.FAIL:
        result: Failure = Failure(observed, "fail")
        result.text = _clean(f"expected {check.expected}\n{check.hint}".strip())
        case.result = [result]
    elif check.verdict is Verdict.UNKNOWN:
        case.result = [Error(observed, "unknown")]
    else:
        case.system_out = observed if check.verdict is Verdict.PASS else f"{check.verdict}: {observed}"
    return case


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("", safe(text))
