"""How a check queries the application: one request, its response evaluated, its attempts recorded."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cartctl.adapters.http.client import Response
from cartctl.checks import results
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError
from cartctl.monitoring.probes import CRITICAL_PATHS, judge_path

PAUSE = 0.3  # seconds between attempts
OK = 200
SESSION = CRITICAL_PATHS["auth"]

Judge = Callable[[Response], CheckResult]
passed = partial(results.passed, "")  # `ask` names the result
failed = partial(results.failed, "")


def ask(name: str, request: Callable[[], Response], judge: Judge) -> CheckResult:
    """One request, evaluated; a missing or unreadable response is a failure with its reason."""
    started = time.monotonic()
    try:
        result = judge(request())
    except CartctlError as error:
        result = CheckResult(
            name, Verdict.FAIL, observed=error.message, expected="an answer", hint=error.hint
        )
    return replace(result, name=name, seconds=round(time.monotonic() - started, 4))


def persist(attempt: Callable[[], CheckResult], pulse: Pulse, *, attempts: int) -> CheckResult:
    """The first result that does not fail, or the last; with what every attempt found where there were several."""
    outcomes: list[CheckResult] = []
    for number in range(attempts):
        if number:
            pulse.pause(PAUSE)
        pulse.check()
        outcomes.append(attempt())
        if outcomes[-1].verdict is not Verdict.FAIL:
            break
    if len(outcomes) == 1:
        return outcomes[0]
    tries = tuple(
        {"verdict": one.verdict, "observed": one.observed, "seconds": one.seconds} for one in outcomes
    )
    return replace(outcomes[-1], attempts=tries, seconds=round(sum(one.seconds for one in outcomes), 4))


def status_failure(response: Response, expected: int = OK) -> CheckResult | None:
    """The failure of an answer with another status, with the body's beginning and what it usually means."""
    if response.status == expected:
        return None
    observed = f"HTTP {response.status}" + (f": {response.excerpt}" if response.excerpt else "")
    return failed(observed, f"HTTP {expected}", _meaning(response))


def _meaning(response: Response) -> str:
    if response.status in {401, 403}:
        return "The token is not accepted: check http.token."
    if response.status == 404 and "feature_disabled" in response.body:  # noqa: PLR2004 - HTTP's "not found"
        return "The feature is off for the token's company: add it to rollout.internal_companies."
    if response.status == 503 and "retry-after" in response.headers:  # noqa: PLR2004 - HTTP's "unavailable"
        return "Maintenance is on, or the service is overloaded."
    return ""


def json_object(response: Response) -> CheckResult:
    """Pass for a JSON object with status 200. Raises MalformedResponse."""
    wrong = status_failure(response)
    if wrong:
        return wrong
    body = response.json()
    if not isinstance(body, Mapping):
        return failed(f"a JSON {type(body).__name__}", "a JSON object")
    return passed(f"{len(body)} fields")


def critical_path(name: str, response: Response, *, token: bool) -> CheckResult:
    """A critical path works, as the monitor judges it. Raises MalformedResponse."""
    ok, observed = judge_path(name, response, token=token)
    return passed(observed) if ok else failed(observed, "working", _meaning(response))


def company_of(session: Any) -> str | None:
    """The company's id in the answer of `/api/auth/session`, or None when it names none."""
    company = session.get("company") if isinstance(session, Mapping) else None
    if isinstance(company, Mapping):
        company = company.get("id")
    return company if isinstance(company, str) and company else None
