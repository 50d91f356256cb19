"""Purges static assets at the CDN, so that the new dashboard's pages do not load the old one's scripts."""

from typing import Any

from cartctl.adapters.cdn import Cloudflare
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class PurgeCdn(Action[dict[str, Any]]):
    """Purges the zone of `cdn`."""

    key = "cdn"

    def __init__(self, cdn: Cloudflare) -> None:
        self._cdn = cdn

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a purge leaves no trace
        """Nothing: purging again is harmless."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - one request, bounded in time
        """Ask for the purge; its id. Raises PurgeFailed."""
        return {"purge": self._cdn.purge()}
