"""Whether the version that serves still uses the cart: its tables must not go from under it."""

from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.checks.probes.health import STATS
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse

NOT_FOUND = 404


class CartAbsent(Check):
    """The cart's admin endpoint is unknown to the API; a flag that is off does not prove it.

    With `stopped`, an API that does not respond passes as well: the operator has stopped it.
    """

    key = "cart.gone"

    def __init__(self, api: Http, *, stopped: bool = False) -> None:
        self._api = api
        self._stopped = stopped

    def judge(self, pulse: Pulse) -> Checks:
        """Fail while the endpoint is there, unknown when the API does not respond. Read-only."""
        pulse.check()
        try:
            response = self._api.get(STATS)
        except HttpUnreachable as error:
            if self._stopped:
                return Checks((CheckResult(STATS, Verdict.PASS, "no response: --application-stopped"),))
            return Checks((CheckResult(STATS, Verdict.UNKNOWN, error.message, "HTTP 404", error.hint),))
        absent = response.status == NOT_FOUND and "feature_disabled" not in response.body
        return Checks(
            (
                CheckResult(
                    STATS,
                    Verdict.PASS if absent else Verdict.FAIL,
                    f"HTTP {response.status}"
                    + ("" if absent else ": the running version has cart endpoints"),
                    "HTTP 404, as from a version without the cart",
                    "Roll the code back to a version without the cart first: cartctl rollback --run RUN",
                ),
            )
        )
