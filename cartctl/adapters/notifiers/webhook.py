"""Notifiers, and the one for webhooks that take `{"text": …}`, as those of Slack, Mattermost, Teams and many chats do."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

from cartctl.adapters.effects import effect
from cartctl.adapters.http.client import Http, HttpRedirected, HttpUnreachable, Response
from cartctl.errors import ConfigError, StepFailed
from cartctl.redaction import register

ATTEMPTS = 3
RETRY_SECONDS = 30.0  # seconds for one message to one notifier: all attempts and the waits between them
PAUSES = (1.0, 3.0)  # seconds after the first and the second attempt, if the notifier gives no time
TIMEOUT = 10.0  # seconds of one attempt
TOO_MANY, SERVER_ERROR = 429, 500

_CODE = re.compile(r"[a-z]+(?:_[a-z]+)+")  # Slack's: invalid_payload, channel_is_archived; success is "ok"
_UNDELIVERED = "webhook message delivery failed"  # Teams says so with status 200
_STATUS = re.compile(r"\bHTTP error (\d{3})\b")


class NotAccepted(StepFailed):
    """A notifier did not accept the message; `reason` says why and contains no part of its address."""

    code = "not_accepted"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The notifier at {name} did not accept the message: {reason}.", hint="Check notify."
        )
        self.reason = reason


class Notifier(Protocol):
    """Sends a message to people. `name` says where without a part of the address, which is the secret."""

    @property
    def name(self) -> str:
        """The host of a webhook, or the service."""

    def post(self, text: str, pause: Callable[[float], None] = time.sleep) -> None:
        """Send a message; `pause` waits between attempts. Raises NotAccepted, and what `pause` raises."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one attempt failed, and whether another one may succeed; `after` is the notifier's own wait in seconds."""

    reason: str
    retry: bool = False
    after: float | None = None


class Webhook:
    """A webhook by its address. The address is the secret: only its host is ever shown.

    `clock` is monotonic seconds.
    """

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        register(url)
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:  # a broken IPv6 address
            parts, host = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not host:
            raise ConfigError(
                "A notifier has an invalid URL.",
                hint="notify contains https:// addresses of webhooks, or those of apprise, such as slack://.",
            )
        self.name = host
        self._http = Http(f"{parts.scheme}://{parts.netloc}", timeout=timeout)
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._clock = clock

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"

    def post(self, text: str, pause: Callable[[float], None] = time.sleep) -> None:
        """Send a message, with at most ATTEMPTS attempts within RETRY_SECONDS seconds; `pause` waits between them.

        Retried are timeouts, broken connections, 429 (after Retry-After) and 5xx. Raises NotAccepted, and what `pause` raises.
        """
        end = self._clock() + RETRY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            rejected = self._attempt(text, min(self._timeout, max(0.1, end - self._clock())))
            if rejected is None:
                return
            wait = PAUSES[min(attempt, len(PAUSES)) - 1] if rejected.after is None else rejected.after
            if not rejected.retry or attempt == ATTEMPTS or self._clock() + wait >= end:
                tried = f" after {attempt} attempts" if attempt > 1 else ""
                raise NotAccepted(self.name, f"{rejected.reason}{tried}")
            pause(wait)

    def _attempt(self, text: str, timeout: float) -> Rejection | None:
        try:
            with effect("notify.post"):
                response = self._http.send("POST", self._path, json={"text": text}, timeout=timeout)
        except HttpUnreachable:  # its message contains the address
            return Rejection(f"no response within {timeout:g} s, or no connection", retry=True)
        except HttpRedirected:
            return Rejection("it redirects to another host")
        return judge(response)


def named(notifiers: Sequence[Notifier]) -> list[tuple[str, Notifier]]:
    """Notifiers with their names; several of one name are numbered."""
    totals, numbers, pairs = Counter(one.name for one in notifiers), Counter[str](), []
    for one in notifiers:
        numbers[one.name] += 1
        pairs.append((f"{one.name} #{numbers[one.name]}" if totals[one.name] > 1 else one.name, one))
    return pairs


def judge(response: Response) -> Rejection | None:
    """What a response says about the message; None: accepted. Pure.

    A status of 2xx is not enough: Teams, Slack's API and others report a failure in the body.
    """
    if response.status == TOO_MANY or response.status >= SERVER_ERROR:
        after = retry_after(response.headers.get("retry-after", ""), response.headers.get("date", ""))
        asks = f", asks to wait {after:g} s" if after is not None else ""
        return Rejection(f"HTTP {response.status}{asks}", retry=True, after=after)
    if not response.ok:
        return Rejection(f"HTTP {response.status}{_code_in(response.body)}")
    return _failure_in(response.body)


def retry_after(value: str, date: str = "") -> float | None:
    """Seconds that Retry-After asks for: a number, or an HTTP date against the response's own Date. None: neither. Pure."""
    text = value.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max(
            0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now.replace(tzinfo=now.tzinfo or UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return None


def _failure_in(body: str) -> Rejection | None:
    """The failure that a successful response's body reports, if it does."""
    text = body.strip()
    if text.lower().startswith(_UNDELIVERED):
        status = _STATUS.search(text)
        code = int(status[1]) if status else 0
        detail = f": HTTP error {code}" if code else ""
        return Rejection(f"message delivery failed{detail}", retry=code == TOO_MANY or code >= SERVER_ERROR)
    if _CODE.fullmatch(text):
        return Rejection(text[:60])
    try:
        document = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    failed = any(document.get(name) is False for name in ("ok", "success")) or bool(document.get("error"))
    return Rejection(f"the response reports a failure{_code_in(document.get('error'))}") if failed else None


def _code_in(text: object) -> str:
    """A failure's code, if the text is only that: anything longer may quote the message or the address."""
    return f" {text.strip()[:60]}" if isinstance(text, str) and _CODE.fullmatch(text.strip()) else ""
