"""Check results by verdict, for every check: what was observed, what was expected, and a hint."""

from cartctl.engine.model import CheckResult, Verdict


def passed(name: str, observed: object, expected: object = None) -> CheckResult:
    """A result that is as expected."""
    return CheckResult(name, Verdict.PASS, observed, expected)


def failed(name: str, observed: object, expected: object, hint: str = "") -> CheckResult:
    """A result that is not as expected; `hint` says what to do."""
    return CheckResult(name, Verdict.FAIL, observed, expected, hint)


def warned(name: str, observed: object, expected: object, hint: str) -> CheckResult:
    """A result that is not as expected, in spite of which a deployment may continue."""
    return CheckResult(name, Verdict.WARN, observed, expected, hint)


def not_configured(name: str, observed: str = "not configured", hint: str = "") -> CheckResult:
    """A check with nothing to do: the configuration or the command line does not request it."""
    return CheckResult(name, Verdict.NOT_CONFIGURED, observed, hint=hint)


def unknown(name: str, observed: object, expected: object, hint: str) -> CheckResult:
    """A result that could not be determined."""
    return CheckResult(name, Verdict.UNKNOWN, observed, expected, hint)
