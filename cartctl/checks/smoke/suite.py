"""The smoke suite: critical paths, health, endpoints, pages and closed doors, and the user's own suites beside it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cartctl.adapters.http.client import Http, Response
from cartctl.adapters.postgres import Postgres
from cartctl.checks.probes.endpoints import Endpoints
from cartctl.checks.probes.health import Health
from cartctl.checks.probes.pages import Pages
from cartctl.checks.probes.probe import ask, critical_path, failed, passed, persist, status_failure
from cartctl.checks.smoke.user_suites import Request, Suite, load_suite
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import UsageError
from cartctl.monitoring.probes import CRITICAL_PATHS
from cartctl.redaction import cut

BUILT_IN = "built-in"
SHOWN = 200  # characters of a value that is not the one expected
_POSITION = re.compile(r"[0-9]{1,9}")
CLOSED = ("/api/admin/carts", "/api/admin/carts/stats", "/api/admin/ecommerce-analytics/overview")
UNAUTHORIZED = 401


class Smoke(Check):
    """Everything a shopper and an admin must be able to do, each asked once; nothing asked is unknown, never pass.

    `api` and `dashboard` carry the token, `shopper` none. Without a `database` the endpoints' values are not compared. `only`
    names the one suite to run (`built-in`, or a file's own name); `critical_only` skips the others.
    """

    def __init__(
        self,
        key: str,
        api: Http,
        shopper: Http,
        dashboard: Http | None,
        database: Postgres | None,
        *,
        suites: Sequence[Path] = (),
        only: str | None = None,
        critical_only: bool = False,
    ) -> None:
        self.key = key
        self._api = api
        self._shopper = shopper
        self._dashboard = dashboard
        self._database = database
        self._suites = tuple(suites)
        self._only = only
        self._critical_only = critical_only

    def judge(self, pulse: Pulse) -> Checks:
        """One result per check, named `suite: check`. Raises ConfigError for a bad file, UsageError for an unknown suite."""
        own = [load_suite(path) for path in self._suites]
        names = [BUILT_IN, *(suite.name for suite in own)]
        if self._only is not None and self._only not in names:
            raise UsageError(f"Unknown suite {self._only!r}.", hint=f"Known suites: {', '.join(names)}.")
        results: list[CheckResult] = []
        if self._only in {None, BUILT_IN}:
            results += self._built_in(pulse)
        for suite in own:
            if self._only in {None, suite.name}:
                results += self._own(suite, pulse)
        return Checks.of(results)

    def _built_in(self, pulse: Pulse) -> list[CheckResult]:
        results = [self._critical(name, path, pulse) for name, path in CRITICAL_PATHS.items()]
        if self._critical_only:
            return _under("critical", results)
        return [
            *_under("critical", results),
            *_under("health", Health("health", self._api, attempts=1).judge(pulse).checks),
            *_under("endpoints", Endpoints("endpoints", self._api, self._database).judge(pulse).checks),
            *_under("closed", self._closed(pulse)),
            *_under("pages", Pages("pages", self._dashboard).judge(pulse).checks if self._dashboard else ()),
        ]

    def _critical(self, name: str, path: str, pulse: Pulse) -> CheckResult:
        pulse.check()
        judge = partial(critical_path, name, token=self._api.has_token)
        return ask(name, partial(self._api.get, path), judge)

    def _closed(self, pulse: Pulse) -> Iterable[CheckResult]:
        """Admin endpoints require a token; an open one is as bad as a missing one."""
        for path in CLOSED:
            pulse.check()
            yield ask(path, partial(self._shopper.get, path), _refused)

    def _own(self, suite: Suite, pulse: Pulse) -> list[CheckResult]:
        requests = [one for one in suite.request if one.critical or not self._critical_only]
        return _under(suite.name, [self._request(one, pulse) for one in requests])

    def _request(self, request: Request, pulse: Pulse) -> CheckResult:
        target = self._target(request)
        if target is None:
            return CheckResult(
                request.name, Verdict.UNKNOWN, "no dashboard is configured", hint="Set http.dashboard."
            )
        headers = {name: value.reveal() for name, value in request.headers.items()}
        send = partial(target.send, request.method, request.path, json=request.body, headers=headers)
        attempt: Callable[[], CheckResult] = partial(ask, request.name, send, partial(answered, request))
        result = persist(attempt, pulse, attempts=request.attempts)
        if result.verdict is Verdict.PASS and result.attempts:
            late = f"{result.observed}, at attempt {len(result.attempts)}"
            return replace(result, verdict=Verdict.WARN, observed=late, expected="at the first attempt")
        return result

    def _target(self, request: Request) -> Http | None:
        if request.base == "dashboard":
            dashboard = self._dashboard
            return dashboard if request.token or dashboard is None else dashboard.without_token()
        return self._api if request.token else self._shopper


def _under(group: str, results: Iterable[CheckResult]) -> list[CheckResult]:
    return [replace(result, name=f"{group}: {result.name}") for result in results]


def _refused(response: Response) -> CheckResult:
    if response.status == UNAUTHORIZED:
        return passed("HTTP 401 without a token")
    hint = "The endpoint must require an admin token." if response.ok else ""
    return failed(f"HTTP {response.status} without a token", "HTTP 401", hint)


_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def answered(request: Request, response: Response) -> CheckResult:
    """What a request of a suite answered against all it must. Raises BadAnswer."""
    wrong = status_failure(response, request.status)
    if wrong:
        return wrong
    if request.contains is not None and request.contains not in response.body:
        return failed(response.excerpt, f"a body with {request.contains!r}")
    if request.json_ or request.shape:
        body = response.json()
        faults = [*_values(request, body), *_shapes(request, body)]
        if faults:
            return failed("; ".join(faults), "the suite's values")
    return passed(f"HTTP {response.status}")


def _values(request: Request, body: Any) -> Iterable[str]:
    for path, value in request.json_.items():
        there, actual = _at(body, path)
        if not there:
            yield f"no {path}"
        elif actual != value or isinstance(actual, bool) is not isinstance(value, bool):
            yield f"{path} is {_shown(actual)}, not {value!r}"


def _shown(value: Any) -> str:
    text = cut(repr(value), 4 * SHOWN)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _shapes(request: Request, body: Any) -> Iterable[str]:
    for path, kind in request.shape.items():
        there, actual = _at(body, path)
        if not there:
            yield f"no {path}"
        elif not isinstance(actual, _KINDS[kind]) or (kind == "number" and isinstance(actual, bool)):
            yield f"{path} is not of type {kind}"


def _at(body: Any, path: str) -> tuple[bool, Any]:
    """What stands at a dotted path, numbers counting into arrays; an empty path or `.` is the body itself."""
    node = body
    for part in path.strip(".").split(".") if path.strip(".") else ():
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and _POSITION.fullmatch(part) and int(part) < len(node):
            node = node[int(part)]
        else:
            return False, None
    return True, node
