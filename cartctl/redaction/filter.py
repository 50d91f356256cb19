"""The filter itself: for a text, for JSON values, for a text that is shortened, for a stream that is written in pieces."""

from typing import Any

from cartctl.redaction.patterns import MASK, mask_names, mask_patterns
from cartctl.redaction.registry import current

TELLING = 4  # characters of a secret's beginning that are not shown before it is known how it goes on
WINDOW = 4096  # characters beyond a cut that are looked at: as long as a secret may be


def redact(text: str) -> str:
    """A text without registered secrets and without credentials that patterns recognise."""
    return mask_patterns(_without_values(text))


def mask(text: str) -> str:
    """As `redact`, and without whatever stands behind a name such as token or secret: for untrusted text."""
    return mask_names(redact(text))


def cut(text: str, limit: int) -> str:
    """The first `limit` characters of untrusted text, masked before it is cut: half a secret is known by no filter."""
    window = text[: limit + WINDOW]
    return mask(window[: len(window) - current().held_back(window)] if len(text) > len(window) else text)[
        :limit
    ]


def cut_beginning(text: str, limit: int) -> str:
    """The last `limit` characters of untrusted text, masked before it is cut."""
    return mask(text[-(limit + WINDOW) :])[-limit:]


def redact_data(value: Any) -> Any:
    """JSON values with every text in them redacted; numbers stay, since a figure is no password."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redact_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_data(item) for item in value]
    return value


class Pieces:
    """Redacts a text that comes in pieces: the beginning of a secret waits until it is known how it goes on."""

    def __init__(self) -> None:
        self._shown = ""  # the first characters of what may become a secret, written already
        self._waiting = ""

    def feed(self, text: str) -> str:
        """What can be written now of all that came so far."""
        text = self._shown + self._waiting + text
        end = len(text) - current().held_back(text)
        end = next((begin for begin, until in current().spans(text) if begin < end < until), end)
        shown = self._shown
        if end < len(shown):
            self._waiting = text[len(shown) :]
            return ""
        self._shown, self._waiting = "", text[end:]
        return redact(text[:end]).removeprefix(shown)

    def flush(self) -> str:
        """What waits, unless it is enough of a secret to tell; of one that goes on, the rest will be masked."""
        if len(self._shown + self._waiting) >= TELLING:
            return ""
        text, self._waiting = self._waiting, ""
        self._shown += text
        return text

    def rest(self) -> str:
        """What still waits, at the end."""
        text, shown = self._shown + self._waiting, self._shown
        self._shown, self._waiting = "", ""
        return redact(text).removeprefix(shown)


def _without_values(text: str) -> str:
    parts, at = [], 0
    for begin, end in current().spans(text):
        parts += [text[at:begin], MASK]
        at = end
    return "".join((*parts, text[at:])) if parts else text
