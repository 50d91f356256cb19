"""What smoke tests are run against."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cartctl.adapters.http.client import Http, Observer
from cartctl.adapters.postgres import Postgres

if TYPE_CHECKING:
    from cartctl.checks.smoke.suite_model import Request  # the built-in suite does without


@dataclass(frozen=True, slots=True)
class Targets:
    """Where requests go: `api` and `dashboard` carry the token, `shopper` none; `database` answers a suite's queries."""

    api: Http
    shopper: Http
    dashboard: Http | None
    database: Postgres | None

    def of(self, request: "Request") -> Http | None:
        """The service of a request; None if it is not configured."""
        if request.base == "dashboard":
            dashboard = self.dashboard
            return dashboard if request.token or dashboard is None else dashboard.without_token()
        return self.api if request.token else self.shopper

    def ending_at(self, moment: float) -> "Targets":
        """The same, for requests that end at a moment of `time.monotonic`."""
        dashboard = self.dashboard.ending_at(moment) if self.dashboard else None
        return Targets(self.api.ending_at(moment), self.shopper.ending_at(moment), dashboard, self.database)

    def observed_by(self, observe: Observer) -> "Targets":
        """The same; `observe` is called with each response of the API."""
        return Targets(
            self.api.observed_by(observe), self.shopper.observed_by(observe), self.dashboard, self.database
        )
