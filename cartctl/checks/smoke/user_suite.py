"""Running one suite of the user's own."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cartctl.adapters.http.client import Http, Response
from cartctl.adapters.postgres import DatabaseUnreachable, Postgres, RowsHidden, SqlFailed
from cartctl.adapters.postgres.read_only import ReadOnlyQueries
from cartctl.checks.probes.probe import ask, failed, persist
from cartctl.checks.smoke.cases import Case, cases_of
from cartctl.checks.smoke.chains import Outcome, run_cases
from cartctl.checks.smoke.database_values import check_queries, database_differences, read_values
from cartctl.checks.smoke.responses import captured_values, judge_response
from cartctl.checks.smoke.suite_file import Suite
from cartctl.checks.smoke.suite_model import SAFE, Request
from cartctl.checks.smoke.targets import Targets
from cartctl.checks.smoke.templates import fill, fill_path, fill_text
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse

READINGS = 5  # attempts to read the same values before and after a response


class UserSuite:
    """A suite's file, read, and how to run it. Raises ConfigError for an invalid query, once a database is known."""

    def __init__(self, suite: Suite, path: Path, targets: Targets, pulse: Pulse) -> None:
        self._suite = suite
        self._targets = targets
        self._pulse = pulse
        self._queries = self._open_queries()
        if self._queries is not None:
            check_queries(suite, path, self._queries)

    def run(self, *, critical_only: bool, deadline: float) -> list[CheckResult]:
        """One result per case. Raises the pulse's alarm."""
        cases = cases_of(self._suite, critical_only=critical_only)
        variables = {name: value.reveal() for name, value in self._suite.variables.items()} if cases else {}
        run = partial(self._run, variables)
        return run_cases(cases, run, self._pulse, concurrency=self._suite.concurrency, deadline=deadline)

    def _open_queries(self) -> ReadOnlyQueries | None:
        if not any(request.database for request in self._suite.request):
            return None
        own = Postgres(self._suite.dsn.reveal()) if self._suite.dsn else None
        database = own or self._targets.database
        if database is None:
            return None
        limit = self._suite.statement_timeout.total_seconds()
        return ReadOnlyQueries(database, limit, self._pulse.cancelling)

    def _run(self, variables: Mapping[str, Any], case: Case, values: Mapping[str, Any]) -> Outcome:
        request, known = case.request, {**variables, **values}
        target = self._targets.of(request)
        if target is None:
            unset = "no dashboard is configured"
            return CheckResult(case.name, Verdict.UNKNOWN, unset, hint="Set http.dashboard."), {}
        captured: dict[str, Any] = {}
        send = partial(_send, target, request, known)
        attempt: Callable[[], CheckResult] = partial(self._attempt, case, known, send, captured)
        return self._finished(persist(attempt, self._pulse, attempts=request.limit), request), captured

    def _attempt(
        self, case: Case, known: Mapping[str, Any], send: Callable[[], Response], captured: dict[str, Any]
    ) -> CheckResult:
        """One attempt, compared with the database if the request says so and there is one."""
        request = case.request
        judge = partial(_judge, request, known, captured)
        if not request.database or self._queries is None:
            return ask(case.name, send, judge)
        try:
            return self._compared(
                case, known, lambda keep: ask(case.name, send, partial(_keep_and_judge, keep, judge))
            )
        except (SqlFailed, DatabaseUnreachable, RowsHidden) as error:
            self._pulse.check()
            return CheckResult(case.name, Verdict.UNKNOWN, error.message, hint=error.hint)

    def _compared(
        self, case: Case, known: Mapping[str, Any], attempt: Callable[[list[Response]], CheckResult]
    ) -> CheckResult:
        """The result against the database; repeated if the database changed and the request itself changes nothing."""
        request, queries = case.request, self._queries
        safe = request.method in SAFE
        for _ in range(READINGS if safe else 1):
            before = read_values(request.database, queries, known) if safe and queries else []
            responses: list[Response] = []
            result = attempt(responses)
            if result.verdict is not Verdict.PASS or queries is None:
                return result
            after = read_values(request.database, queries, known)
            if not safe or before == after:
                differences = list(database_differences(request.database, after, responses[0].json()))
                return replace(
                    result if not differences else failed("; ".join(differences), "the database's values"),
                    name=case.name,
                    seconds=result.seconds,
                )
        changed = "the database changed during every attempt"
        return CheckResult(
            case.name, Verdict.UNKNOWN, changed, "equal readings before and after the response"
        )

    def _finished(self, result: CheckResult, request: Request) -> CheckResult:
        """A late pass warns, and so does one that could not be compared with a database."""
        if result.verdict is not Verdict.PASS:
            return result
        if result.attempts:
            late = f"{result.observed}, at attempt {len(result.attempts)}"
            return replace(result, verdict=Verdict.WARN, observed=late, expected="at the first attempt")
        if request.database and self._queries is None:
            observed = f"{result.observed}, not compared with the database"
            return replace(result, verdict=Verdict.WARN, observed=observed, hint="Set dsn in the suite.")
        return result


def _send(target: Http, request: Request, known: Mapping[str, Any]) -> Response:
    headers = {name: fill_text(value.reveal(), known) for name, value in request.headers.items()}
    body = fill(request.body, known)
    return target.send(request.method, fill_path(request.path, known), json=body, headers=headers)


def _judge(
    request: Request, known: Mapping[str, Any], captured: dict[str, Any], response: Response
) -> CheckResult:
    result = judge_response(request, response, known)
    if result.verdict is Verdict.PASS:
        captured |= captured_values(request, response)
        if request.database:
            response.json()  # what is not JSON is compared with nothing
    return result


def _keep_and_judge(
    keep: list[Response], judge: Callable[[Response], CheckResult], response: Response
) -> CheckResult:
    keep.append(response)
    return judge(response)
