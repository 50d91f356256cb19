"""Health of the API: the document's two requests and `/health`, or, for the version before the cart, what that one has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cartctl.adapters.http.client import Http, Response
from cartctl.checks.probes.probe import (
    ask,
    critical_path,
    failed,
    json_object,
    passed,
    persist,
    status_failure,
)
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.probes import CRITICAL_PATHS, HEALTHY

STATS = "/api/admin/carts/stats"
OVERVIEW = "/api/admin/ecommerce-analytics/overview"
ATTEMPTS = 5  # a new replica's first answer may fail without the version being broken


class Health(Check):
    """The API with the cart answers: `/health`, stats and overview, with the token."""

    def __init__(self, key: str, api: Http, *, attempts: int = ATTEMPTS) -> None:
        self.key = key
        self._api = api
        self._attempts = attempts

    def judge(self, pulse: Pulse) -> Checks:
        """What each of the three answers. Read-only."""
        judges = {"/health": health, STATS: json_object, OVERVIEW: json_object}
        return Checks.of(
            persist(partial(ask, path, partial(self._api.get, path), judge), pulse, attempts=self._attempts)
            for path, judge in judges.items()
        )


class OldHealth(Check):
    """The version before the cart runs and answers: `/health` and the critical paths.

    `running` judges what the pods run, since the new version answers these too. A database that is down is a warning: a
    rollback must not wait for it.
    """

    def __init__(
        self,
        key: str,
        api: Http,
        *,
        running: Callable[[], Iterable[CheckResult]] = tuple,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.key = key
        self._api = api
        self._running = running
        self._attempts = attempts

    def judge(self, pulse: Pulse) -> Checks:
        """What the pods run, and what `/health` and each critical path answer. Read-only."""
        own = persist(
            partial(ask, "/health", partial(self._api.get, "/health"), health), pulse, attempts=self._attempts
        )
        without_database = own.observed == NO_DATABASE
        results = [
            *self._running(),
            self._excused(own, without_database),
            *self._paths(pulse, without_database),
        ]
        return Checks.of(results)

    def _paths(self, pulse: Pulse, without_database: bool) -> list[CheckResult]:
        attempts = 1 if without_database else self._attempts
        results = []
        for name, path in CRITICAL_PATHS.items():
            judge = partial(critical_path, name, token=self._api.has_token)
            result = persist(
                partial(ask, name, partial(self._api.get, path), judge), pulse, attempts=attempts
            )
            results.append(
                self._excused(result, without_database and str(result.observed).startswith("HTTP 503"))
            )
        return results

    @staticmethod
    def _excused(result: CheckResult, excused: bool) -> CheckResult:
        return replace(result, verdict=Verdict.WARN) if excused and result.verdict is Verdict.FAIL else result


NO_DATABASE = "its database is down"


def health(response: Response) -> CheckResult:
    """Pass for status 200 and a JSON object that says ok; the version is reported. Raises MalformedResponse."""
    wrong = status_failure(response)
    if wrong:
        return wrong
    body: Any = response.json()
    if not isinstance(body, Mapping):
        return failed("not a JSON object", "a JSON object with a status")
    status = str(body.get("status", "ok")).lower()
    if status not in HEALTHY:
        return failed(f"status {status}", "status ok")
    if str(body.get("database", "up")).lower() not in {*HEALTHY, "connected"}:
        return failed(NO_DATABASE, "database up", "The service responds but cannot reach its database.")
    return passed(f"version {body['version']}" if "version" in body else "ok")
