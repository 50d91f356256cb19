"""The cart's admin endpoints answer with what the database holds, for the token's company.

Under traffic a value may change between two looks. So the database is read as of before the answer and again after it; only when
both agree is the answer compared, else all is repeated until a deadline.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from cartctl.adapters.http.client import Http, HttpUnreachable, Response
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.probes.cart_responses import ENDPOINTS, Endpoint
from cartctl.checks.probes.probe import SESSION, ask, company_of, failed, passed, status_failure
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError

SETTLE_SECONDS = 10.0  # seconds until a value that never stands still is unknown
PAUSE = 0.1

UNCACHED = {"Cache-Control": "no-cache"}  # a service may answer with figures of a minute ago otherwise


class Endpoints(Check):
    """Three endpoints of `api`; `database` is where the truth is, or None to look at status and shape alone."""

    def __init__(
        self, key: str, api: Http, database: Postgres | None, *, settle: float = SETTLE_SECONDS
    ) -> None:
        self.key = key
        self._api = api
        self._database = database
        self._settle = settle

    def judge(self, pulse: Pulse) -> Checks:
        """One result per endpoint. Read-only."""
        if self._database is None:
            return Checks.of(
                ask(end.path, partial(self._api.get, end.path, headers=UNCACHED), partial(shape_only, end))
                for end in ENDPOINTS
            )
        try:
            session = self._api.get(SESSION)
            company = company_of(session.json()) if session.ok else None
            if company is None:
                wrong = status_failure(session) or failed("no company", "the token's company")
                return Checks((replace(wrong, name=SESSION),))
            with (
                self._database.session("endpoints", statement_timeout="10s") as connection,
                pulse.cancelling(connection.cancel_safe),
            ):
                return Checks.of([self._bracket(end, company, connection, pulse) for end in ENDPOINTS])
        except HttpUnreachable as error:
            return Checks((CheckResult("endpoints", Verdict.FAIL, observed=error.message, hint=error.hint),))
        except CartctlError as error:
            pulse.check()
            return Checks(
                (CheckResult("endpoints", Verdict.UNKNOWN, observed=error.message, hint=error.hint),)
            )

    def _bracket(self, end: Endpoint, company: str, connection: Connection, pulse: Pulse) -> CheckResult:
        deadline = pulse.now() + self._settle
        while True:
            unchanged: list[bool] = []
            result = ask(
                end.path,
                partial(self._api_as_of, end.path, connection),
                partial(self._judge, end, company, connection, unchanged),
            )
            if unchanged != [False]:
                return result
            if pulse.now() > deadline:
                return CheckResult(
                    end.path,
                    Verdict.UNKNOWN,
                    observed=f"the database changed during every attempt for {self._settle:g} s",
                    expected="equal readings before and after the response",
                )
            pulse.pause(PAUSE)

    def _api_as_of(self, path: str, connection: Connection) -> Response:
        """The answer, with the database's state of just before it kept in a snapshot."""
        connection.execute("ROLLBACK")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute("SELECT 1")  # the snapshot is taken by the first statement
        return self._api.get(path, headers=UNCACHED)

    @staticmethod
    def _judge(
        end: Endpoint, company: str, connection: Connection, unchanged: list[bool], response: Response
    ) -> CheckResult:
        shaped = shape_only(end, response)
        if shaped.verdict is not Verdict.PASS:
            return shaped
        body = response.json()
        before = end.truth(connection, company, body)
        connection.execute("COMMIT")
        after = end.truth(connection, company, body)
        unchanged.append(before == after)
        differences = end.compare(body, after)
        return (
            failed("; ".join(differences), "the database's values") if differences else passed(_content(body))
        )


def shape_only(end: Endpoint, response: Response) -> CheckResult:
    """Status and shape of one answer. Raises MalformedResponse."""
    wrong = status_failure(response)
    if wrong:
        return wrong
    body = response.json()
    fault = end.shape(body)
    return failed(fault, "the documented shape") if fault else passed(_content(body))


def _content(body: Any) -> str:
    if isinstance(body, list):
        return f"{len(body)} carts" if body else "an empty list"
    if "total" in body:
        return f"{body['total']} carts"
    return f"{len(body.get('currencies', []))} currencies"
