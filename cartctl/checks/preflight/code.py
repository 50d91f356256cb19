"""What the code side shows: test reports without failures and with enough tests, and commands that succeed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cartctl.adapters.programs import ProgramFailed, inherited, run
from cartctl.checks.preflight.junit import UnusableReportError, read_report
from cartctl.checks.results import failed, not_configured, passed
from cartctl.config.model.environment import Preflight
from cartctl.config.values import revealed
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

COMMAND_LIMIT = timedelta(minutes=10)


def check_code(settings: Preflight, pulse: Pulse) -> Iterator[CheckResult]:
    """Every report and command of the configuration. Commands run as the operator, in the current directory."""
    if not settings.junit and not settings.commands:
        yield not_configured("code", "preflight.junit and preflight.commands are not configured")
    for path, least in settings.junit.items():
        yield _report(Path(path), least)
    for argv in settings.commands:
        yield _command(argv, settings, pulse)


def _report(path: Path, least: int) -> CheckResult:
    name, expected = f"code.{path.name}", f"no failures, at least {least} tests"
    try:
        report = read_report(path)
    except UnusableReportError as why:
        return failed(name, str(why), expected, f"Run the tests again and write their report to {path}.")
    if report.bad:
        observed = f"{report.failed or len(report.bad)} of {report.ran} failed: {', '.join(report.bad)}"
        return failed(name, observed, expected, "Fix the failing tests.")
    if report.ran < max(least, 1):
        return failed(name, f"{report.ran} tests ran", expected, "Run all of them, not a selection.")
    return passed(name, f"{report.ran} tests passed", expected)


def _command(argv: tuple[str, ...], settings: Preflight, pulse: Pulse) -> CheckResult:
    name, expected = f"code.{' '.join(argv)}", "exit code 0"

    attend = pulse.attending(COMMAND_LIMIT.total_seconds(), " ".join(argv), every=0.1)
    try:
        run(argv, {**inherited(), **revealed(settings.environment)}, attend)
    except (ProgramFailed, OSError) as error:
        return failed(name, str(error), expected, "Fix what it reports, or correct preflight.commands.")
    return passed(name, expected)
