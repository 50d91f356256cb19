"""The filters for a text, JSON values, a shortened text, and a stream written in pieces."""

from typing import Any

from cartctl.redaction.patterns import MASK, mask_names, mask_patterns
from cartctl.redaction.registry import current

REVEALING = 4  # characters of a possible secret's beginning that are held back
WINDOW = 4096  # characters examined beyond a cut: the maximum length of a secret


def redact(text: str) -> str:
    """A text without registered secrets and without credentials that patterns recognise."""
    return mask_patterns(_without_values(text))


def mask(text: str) -> str:
    """As `redact`, and without any value after a name such as token or secret: for untrusted text."""
    return mask_names(redact(text))


def cut(text: str, limit: int) -> str:
    """The first `limit` characters of untrusted text, masked before it is cut: no filter recognises half a secret."""
    window = text[: limit + WINDOW]
    return mask(window[: len(window) - current().held_back(window)] if len(text) > len(window) else text)[
        :limit
    ]


def cut_beginning(text: str, limit: int) -> str:
    """The last `limit` characters of untrusted text, masked before it is cut."""
    return mask(text[-(limit + WINDOW) :])[-limit:]


def redact_data(value: Any) -> Any:
    """JSON values with every text redacted; numbers are unchanged."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(key): redact_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_data(item) for item in value]
    return value


class Pieces:
    """Redacts a text that arrives in pieces: a possible beginning of a secret is held back until it is decided."""

    def __init__(self) -> None:
        self._shown = ""  # the first characters of a possible secret, already written
        self._waiting = ""

    def feed(self, text: str) -> str:
        """The part of the text so far that can be written now."""
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
        """The held-back text, unless it would reveal a secret; if the secret continues, its rest is masked."""
        if len(self._shown + self._waiting) >= REVEALING:
            return ""
        text, self._waiting = self._waiting, ""
        self._shown += text
        return text

    def rest(self) -> str:
        """The rest of the held-back text, at the end."""
        text, shown = self._shown + self._waiting, self._shown
        self._shown, self._waiting = "", ""
        return redact(text).removeprefix(shown)


def _without_values(text: str) -> str:
    parts, at = [], 0
    for begin, end in current().spans(text):
        parts += [text[at:begin], MASK]
        at = end
    return "".join((*parts, text[at:])) if parts else text
