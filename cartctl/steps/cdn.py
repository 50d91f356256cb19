"""CDN purge of static assets, so that the new dashboard does not load old scripts."""

from typing import Any

from cartctl.adapters.cdn import Cdn
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class PurgeCdn(Action[dict[str, Any]]):
    """Purges what is configured of `cdn`."""

    key = "cdn"

    def __init__(self, cdn: Cdn) -> None:
        self._cdn = cdn

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a purge cannot be queried
        """None: purging again is harmless."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """Send each request; the result identifies the purges. Raises PurgeFailed."""
        accepted = []
        for number, total, identity in self._cdn.purge():
            accepted.append(identity)
            pulse.progress(number, total, "requests")
            pulse.check()
        return {"purge": ", ".join(dict.fromkeys(accepted))}
