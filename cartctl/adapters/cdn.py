"""The CDN in front of the dashboard: its copies of static assets are purged after a release."""

import re

from cartctl.adapters.effects import effect
from cartctl.adapters.http.client import BadAnswer, Http
from cartctl.errors import ConfigError, StepFailed

CLOUDFLARE = "https://api.cloudflare.com/client/v4"


class PurgeFailed(StepFailed):
    """The CDN did not accept the purge."""

    code = "purge_failed"


class Cloudflare:
    """A zone of Cloudflare; `token` needs the permission Cache Purge on it. `base_url` is the API's address."""

    def __init__(self, zone: str, token: str, *, base_url: str = CLOUDFLARE) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", zone):
            raise ConfigError(
                f"invalid Cloudflare zone {zone!r}.", hint="Set cache.cdn.zone to the zone's id."
            )
        self._zone = zone
        self._http = Http(base_url, token=token)

    def purge(self) -> str:
        """Purge every cached asset of the zone; the purge's id. Raises PurgeFailed or HttpUnreachable."""
        with effect("cdn.purge"):
            response = self._http.send(
                "POST", f"zones/{self._zone}/purge_cache", json={"purge_everything": True}
            )
        try:
            body = response.json()
        except BadAnswer as error:
            raise PurgeFailed(f"Cloudflare's response (HTTP {response.status}) is not JSON.") from error
        if not response.ok or not isinstance(body, dict) or body.get("success") is not True:
            raise PurgeFailed(
                f"Cloudflare refused the purge (HTTP {response.status}): {response.excerpt}",
                hint="Check cache.cdn.zone, and the token's permission Cache Purge.",
            )
        result = body.get("result")
        return str(result.get("id", "")) if isinstance(result, dict) else ""
