"""Who is told: a webhook that takes `{"text": …}`, as Slack's, Mattermost's and many chats' do."""

from urllib.parse import urlsplit

from cartctl.adapters.effects import effect
from cartctl.adapters.http import Http, HttpRedirected, HttpUnreachable
from cartctl.errors import ConfigError, StepFailed


class NotAccepted(StepFailed):
    """A notifier did not take the message."""

    code = "not_accepted"


class Webhook:
    """A webhook by its address. The address is the secret: only its host is ever shown."""

    def __init__(self, url: str, *, timeout: float = 10) -> None:
        parts = urlsplit(url)
        self.name = parts.hostname or "?"
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                "A notifier is no web address.", hint="notify holds https:// addresses of webhooks."
            )
        self._http = Http(f"{parts.scheme}://{parts.netloc}", timeout=timeout)
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"

    def post(self, text: str) -> None:
        """Send a message. Raises NotAccepted naming the host alone."""
        try:
            with effect("notify.post"):
                answer = self._http.send("POST", self._path, json={"text": text})
        except (HttpUnreachable, HttpRedirected):  # their sentences hold the address
            raise NotAccepted(f"The notifier at {self.name} does not answer.", hint="Check notify.") from None
        if not answer.ok:
            raise NotAccepted(
                f"The notifier at {self.name} answers HTTP {answer.status}.", hint="Check notify."
            )
