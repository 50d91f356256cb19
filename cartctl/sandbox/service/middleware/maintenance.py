"""The maintenance mode: shoppers get 503 with Retry-After, admins pass, and it ends automatically after `until`."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cartctl.sandbox.service.watched import Watched

LONGEST_RETRY = 60  # seconds; a longer Retry-After would drive shoppers away


@dataclass(frozen=True, slots=True)
class Mode:
    """The content of the watched file."""

    on: bool = False
    until: datetime | None = None


class Maintenance:
    """Reads the watched file whenever it has changed."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._mode = Watched(path, _parse, Mode(), complain)

    def retry_after(self) -> int | None:
        """Seconds after which a shopper may try again, or None when there is no maintenance."""
        mode = self._mode.get()
        if not mode.on or mode.until is None:
            return None
        left = (mode.until - datetime.now(UTC)).total_seconds()
        return min(LONGEST_RETRY, math.ceil(left)) if left > 0 else None


def _parse(text: str) -> Mode:
    """`{"on": true, "until": ISO 8601}`; without an end it is invalid: it would never end."""
    if not text.strip():
        return Mode()
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("on"), bool):
        raise ValueError("expected an object with on and until")  # noqa: TRY004 - what Watched reads as malformed
    if not document["on"]:
        return Mode()
    until = datetime.fromisoformat(str(document.get("until")))
    return Mode(on=True, until=until if until.tzinfo else until.replace(tzinfo=UTC))
