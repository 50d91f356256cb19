"""The cart's pages of the dashboard load, and are the pages they should be."""

import re
from functools import partial

from cartctl.adapters.http.client import Http, Response
from cartctl.checks.probes.probe import ask, failed, passed, status_failure
from cartctl.engine.model import Check, CheckResult, Checks
from cartctl.engine.pulse import Pulse

PAGES = {
    "/carts": "carts",
    "/carts/abandoned": "carts-abandoned",
    "/insights/ecommerce": "insights-ecommerce",
}
ERRORS = (  # what a framework puts into a page that answers 200 and shows an error
    'data-page="error"',
    "data-error=",
    "__next_error__",
    "Application error:",
    "Internal Server Error",
    "Unhandled Runtime Error",
)


class Pages(Check):
    """The three pages of the dashboard at `dashboard`, each requested once."""

    def __init__(self, key: str, dashboard: Http) -> None:
        self.key = key
        self._dashboard = dashboard

    def judge(self, pulse: Pulse) -> Checks:
        """Status, kind, marker and no error marker of each page. Read-only."""
        results = []
        for path, marker in PAGES.items():
            pulse.check()
            results.append(ask(path, partial(self._dashboard.get, path), partial(page, marker)))
        return Checks.of(results)


def page(marker: str, response: Response) -> CheckResult:
    """Pass for HTML with status 200, the page's own marker and no error marker."""
    wrong = status_failure(response)
    if wrong:
        return wrong
    kind = response.headers.get("content-type", "no content type")
    if not kind.lower().startswith("text/html"):
        return failed(kind, "text/html")
    error = next((error for error in ERRORS if error in response.body), None)
    if error:
        return failed(f"the page shows an error ({error})", "no error marker")
    if not re.search(rf"<main\b[^>]*\bdata-page=[\"']{re.escape(marker)}[\"']", response.body):
        return failed(
            "another page", f'<main data-page="{marker}">', "The dashboard may still serve its old version."
        )
    return passed(f"{len(response.body)} characters")
