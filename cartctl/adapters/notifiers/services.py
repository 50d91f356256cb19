"""Notifiers for every service that apprise supports: Slack, Teams, e-mail, PagerDuty and more, by their apprise addresses.

The package is an extra and is imported only where such an address is configured.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from cartctl.adapters.effects import effect
from cartctl.adapters.notifiers.webhook import ATTEMPTS, PAUSES, NotAccepted, Notifier, Webhook
from cartctl.errors import ConfigError
from cartctl.redaction import cut, register

MAX_CHARACTERS = 160  # characters of a reason
TITLE = "cartctl"


class AppriseNotifier:
    """A notifier by its apprise address. Only the name of the service is ever shown.

    Raises ConfigError for an unknown scheme or an incomplete address, naming the scheme, and without the package.
    """

    def __init__(self, url: str) -> None:
        register(url)
        self._service = _service(url)
        self.name = str(self._service.service_name)

    def __repr__(self) -> str:
        return f"AppriseNotifier({self.name!r})"

    def post(self, text: str, pause: Callable[[float], None] = time.sleep) -> None:
        """Send a message, with at most ATTEMPTS attempts. Raises NotAccepted, and what `pause` raises."""
        for attempt in range(1, ATTEMPTS + 1):
            reason = self._attempt(text)
            if reason is None:
                return
            if attempt == ATTEMPTS:
                raise NotAccepted(self.name, f"{reason} after {attempt} attempts")
            pause(PAUSES[min(attempt, len(PAUSES)) - 1])

    def _attempt(self, text: str) -> str | None:
        """Why the message was not accepted, as the service reports it; None: accepted."""
        apprise = _package()
        with effect("notify.post"), apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:
            accepted = self._service.notify(body=text, title=TITLE, notify_type=apprise.NotifyType.INFO)
            reasons = captured.getvalue().splitlines()
        if accepted:
            return None
        return (
            cut(reasons[0].strip(), MAX_CHARACTERS) if reasons else "the service did not accept the message"
        )


def new_notifier(url: str) -> Notifier:
    """The notifier of an address: webhooks through cartctl's HTTP client, everything else through apprise. Raises ConfigError."""
    scheme = url.partition("://")[0].strip().lower()
    return Webhook(url) if scheme in {"http", "https"} or "://" not in url else AppriseNotifier(url)


def _service(url: str) -> Any:
    apprise = _package()
    scheme = url.partition("://")[0].strip().lower()
    if scheme not in apprise.manager_plugins.NotificationManager().schemas():
        raise ConfigError(
            f"A notifier has an unknown scheme: {cut(scheme, 30)}://.",
            hint="notify contains https:// addresses of webhooks, or those of apprise, such as slack://, mailto:// or pagerduty://.",
        )
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        raise ConfigError(
            f"A notifier's {scheme}:// address is incomplete or malformed.",
            hint="See apprise's documentation for this service; test it with: cartctl notify test",
        )
    return service


def _package() -> Any:
    """Apprise, which is only partly typed. Raises ConfigError where it is not installed."""
    try:
        import apprise
        import apprise.manager_plugins
    except ImportError as missing:
        raise ConfigError(
            "Notifiers other than webhooks need the package apprise.", hint="pip install 'cartctl[notify]'"
        ) from missing
    return apprise
