"""The smoke tests: critical paths, health, endpoints, pages and access control, and the user's own suites."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cartctl.adapters.http.client import Http, HttpRedirected, HttpUnreachable, Response
from cartctl.checks.probes.endpoints import Endpoints
from cartctl.checks.probes.health import Health
from cartctl.checks.probes.pages import Pages
from cartctl.checks.probes.probe import ask, critical_path, failed, passed
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.probes import CRITICAL_PATHS

if TYPE_CHECKING:
    from cartctl.checks.contract.contract import Contract
    from cartctl.checks.smoke.user_suite import UserSuite

DEADLINE = 300.0  # seconds of a whole run
CLOSED = ("/api/admin/carts", "/api/admin/carts/stats", "/api/admin/ecommerce-analytics/overview")
UNAUTHORIZED = 401


class Smoke(Check):
    """Everything a shopper and an admin must be able to do; a run without any test fails.

    Without a database among the `targets`, the endpoints' values are not compared. `suites` are files, run beside the
    built-in suite unless `built_in` is false; `critical_only` skips the tests that are not critical. `deadline` is the
    longest time of the whole run in seconds; what has not run by then is unknown. `contract` is the file or address of an
    OpenAPI document that the API's responses are compared with.
    """

    def __init__(
        self,
        key: str,
        targets: Targets,
        *,
        suites: Sequence[Path] = (),
        built_in: bool = True,
        critical_only: bool = False,
        deadline: float = DEADLINE,
        contract: str | None = None,
    ) -> None:
        self.key = key
        self._deadline = deadline
        self._contract = contract
        self._targets = targets
        self._suites = tuple(suites)
        self._has_built_in = built_in
        self._critical_only = critical_only

    def judge(self, pulse: Pulse) -> Checks:
        """One result per test, named `suite: test`. Raises ConfigError for a bad file."""
        deadline = pulse.now() + self._deadline
        targets = self._targets.ending_at(deadline)
        contract = self._read_contract(targets.api)
        if contract is not None and not isinstance(contract, CheckResult):
            targets = targets.observed_by(contract.take)
        suites = self._open_suites(targets, pulse)
        results = self._built_in(targets, pulse) if self._has_built_in else []
        for name, suite in suites:
            results += _under(name, suite.run(critical_only=self._critical_only, deadline=deadline))
        return Checks.of([*(results or [_nothing()]), *_under("contract", _compared(contract))])

    def _open_suites(self, targets: Targets, pulse: Pulse) -> "list[tuple[str, UserSuite]]":
        """The suites of the files, read and their queries checked; what does that is imported only if there are any."""
        if not self._suites:
            return []
        from cartctl.checks.smoke.selection import load_suites
        from cartctl.checks.smoke.user_suite import UserSuite

        pairs = list(zip(load_suites(self._suites), self._suites, strict=True))
        return [(suite.name, UserSuite(suite, path, targets, pulse)) for suite, path in pairs]

    def _read_contract(self, api: Http) -> "Contract | CheckResult | None":
        """The contract, or the result for one that could not be read. Raises ConfigError for an invalid document."""
        if self._contract is None:
            return None
        from cartctl.checks.contract.contract import read_contract

        try:
            return read_contract(self._contract, api)
        except (HttpUnreachable, HttpRedirected) as error:
            return CheckResult("document", Verdict.UNKNOWN, error.message, hint=error.hint)

    def _built_in(self, targets: Targets, pulse: Pulse) -> list[CheckResult]:
        api, dashboard = targets.api, targets.dashboard
        critical = _under("critical", [_critical(api, name, pulse) for name in CRITICAL_PATHS])
        if self._critical_only:
            return critical
        return [
            *critical,
            *_under("health", Health("health", api, attempts=1).judge(pulse).checks),
            *_under("endpoints", Endpoints("endpoints", api, targets.database).judge(pulse).checks),
            *_under("closed", _closed(targets.shopper, pulse)),
            *_under("pages", Pages("pages", dashboard).judge(pulse).checks if dashboard else ()),
        ]


def _compared(contract: "Contract | CheckResult | None") -> list[CheckResult]:
    if contract is None or isinstance(contract, CheckResult):
        return [contract] if contract else []
    return contract.results()


def _critical(api: Http, name: str, pulse: Pulse) -> CheckResult:
    pulse.check()
    judge = partial(critical_path, name, token=api.has_token)
    return ask(name, partial(api.get, CRITICAL_PATHS[name]), judge)


def _closed(shopper: Http, pulse: Pulse) -> Iterable[CheckResult]:
    """Admin endpoints require a token; an open one is as bad as a missing one."""
    for path in CLOSED:
        pulse.check()
        yield ask(path, partial(shopper.get, path), _refused)


def _nothing() -> CheckResult:
    return CheckResult(
        "smoke",
        Verdict.FAIL,
        observed="no test was run",
        expected="at least one test",
        hint="Add requests to the suite, or mark some as critical for --critical-only.",
    )


def _under(group: str, results: Iterable[CheckResult]) -> list[CheckResult]:
    return [replace(result, name=f"{group}: {result.name}") for result in results]


def _refused(response: Response) -> CheckResult:
    if response.status == UNAUTHORIZED:
        return passed("HTTP 401 without a token")
    hint = "The endpoint must require an admin token." if response.ok else ""
    return failed(f"HTTP {response.status} without a token", "HTTP 401", hint)
