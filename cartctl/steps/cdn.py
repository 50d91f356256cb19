"""CDN purge of static assets, so that the new dashboard does not load old scripts."""

from typing import Any

from cartctl.adapters.cdn import Cloudflare
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class PurgeCdn(Action[dict[str, Any]]):
    """Purges the zone of `cdn`."""

    key = "cdn"

    def __init__(self, cdn: Cloudflare) -> None:
        self._cdn = cdn

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a purge cannot be queried
        """None: purging again is harmless."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - one request, bounded in time
        """Request the purge; the result is its id. Raises PurgeFailed."""
        return {"purge": self._cdn.purge()}
