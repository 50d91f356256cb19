"""Whether the API answers and takes the token, and the dashboard is there."""

from collections.abc import Callable, Iterator

from cartctl.adapters.http.client import Http, HttpRedirected, HttpUnreachable, MalformedResponse, Response
from cartctl.checks.probes.probe import SESSION
from cartctl.checks.results import failed, passed
from cartctl.engine.model import CheckResult

OK = 200
HEALTH = "/health"


def check_api(api: Http) -> Iterator[CheckResult]:
    """The health of the version that serves now. Read-only."""
    yield _reachable("api", api, f"Check http.api: {api.masked}")


def check_dashboard(dashboard: Http) -> Iterator[CheckResult]:
    """The health of the admin dashboard that serves now. Read-only."""
    yield _reachable("dashboard", dashboard, f"Check http.dashboard: {dashboard.masked}")


def check_token(api: Http, *, present: bool) -> Iterator[CheckResult]:
    """Whether the token opens a session. It is never shown. Read-only."""
    hint = "Set http.token to the token of an internal company's admin."
    if not present:
        yield failed("token", "not configured", "a token", hint)
        return
    response = _response_or_reason(lambda: api.get(SESSION))
    if isinstance(response, str):
        yield failed("token", response, "accepted by the API", f"Check http.api: {api.masked}")
    elif response.status != OK:
        yield failed("token", f"HTTP {response.status} from {SESSION}", "accepted by the API", hint)
    elif (company := _company(response)) is None:
        yield failed("token", f"{SESSION} returned no company: {response.excerpt}", "a session", hint)
    else:
        yield passed("token", f"accepted, company {company}")


def _reachable(name: str, http: Http, hint: str) -> CheckResult:
    response = _response_or_reason(lambda: http.get(HEALTH))
    if isinstance(response, str):
        return failed(name, response, "a response", hint)
    if response.status != OK:
        return failed(name, f"HTTP {response.status} from {HEALTH}: {response.excerpt}", f"HTTP {OK}", hint)
    return passed(name, f"HTTP {OK} from {http.masked}{HEALTH}")


def _response_or_reason(ask: Callable[[], Response]) -> Response | str:
    """The response, or why there is none."""
    try:
        return ask()
    except (HttpUnreachable, HttpRedirected) as error:
        return error.message


def _company(response: Response) -> str | None:
    try:
        session = response.json()
    except MalformedResponse:
        return None
    company = session.get("company") if isinstance(session, dict) else None
    if isinstance(company, dict):
        company = company.get("id")
    return str(company) if company else None
