"""The secrets that this process has resolved, and their occurrences in a text in any spelling.

How much is masked depends on the length of the value:

- 8 characters and more: anywhere, also inside a longer word.
- 4 to 7 characters: only as a whole word, so that a short password does not mask parts of other words.
- fewer than 4 characters, fewer than 6 digits, a common word (`postgres`, `password`), or a public part of
  the same address (its user, host or database): not by value. Masking such a value everywhere would make output useless and
  reveal it by the gaps; after `password=` or in an address the patterns mask it like any other.
"""

import os
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cartctl.redaction.parts import credentials_of, is_place, tokens_of

if TYPE_CHECKING:
    from cartctl.redaction.spellings import Spelling

LONG, SHORT, DIGITS = 8, 4, 6  # characters
GUESSED = frozenset(
    """
    postgres postgresql postgis password passwort passwd secret admin administrator root user test testing cartctl cart redis
    default sandbox staging production development localhost changeme change_me public guest example database kubernetes
    prometheus true false null none token letmein welcome qwerty shop deployer reader
    """.split()  # noqa: SIM905 - words to be read
)
_VARIABLE = re.compile(
    r"(?i)(pass(word|wd|phrase)?|token|secret|secret_access_key|api_?key|redis(cli)?_auth)$"
)


class Registry:
    """Secrets by value. Thread-safe: the collections are replaced as a whole, never changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: frozenset[str] = frozenset()
        self._known: tuple[Spelling, ...] = ()

    def add(self, value: str, public: frozenset[str] = frozenset()) -> None:
        """Add a value, unless it is too weak to be masked by value."""
        if value in self._values or is_weak(value) or value.lower() in {word.lower() for word in public}:
            return
        from cartctl.redaction.spellings import spellings  # its encoders are loaded with the first secret

        with self._lock:
            self._values |= {value}
            self._known += tuple(spellings(value, anywhere=len(value) >= LONG))

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Occurrences of secrets in the text: start and end of each, overlapping ones merged, in order."""
        places = sorted(place for spelling in self._known for place in spelling.places(text))
        begin, end = -1, -1
        for here, until in places:
            if here > end:
                if end >= 0:
                    yield begin, end
                begin, end = here, until
            end = max(end, until)
        if end >= 0:
            yield begin, end

    def held_back(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a secret that continues in the next piece."""
        return max((spelling.partial_length(text) for spelling in self._known), default=0)


_registry = Registry()


def current() -> Registry:
    """The registry of this process."""
    return _registry


def forget() -> None:
    """Clear the registry; for tests, which share a process."""
    globals()["_registry"] = Registry()


def is_weak(value: str) -> bool:
    """Whether a secret is too short or too common to be masked by value."""
    return (
        len(value) < SHORT
        or (value.isdigit() and len(value) < DIGITS)
        or value.lower() in GUESSED
        or not value.strip("*")
    )


def register(secret: str) -> None:
    """Register a resolved secret: a token, a key, a webhook's address, or a DSN.

    Of the address of a database or cache only the credentials are secret; its user, host and database are not.
    """
    text = secret.strip()
    register_address(text)
    if not is_place(text):
        for token in tokens_of(text):
            current().add(token)


def register_address(text: str) -> None:
    """Register the credentials in a setting that is not secret as a whole, if any."""
    parts = credentials_of(text)
    for value in parts.secrets:
        current().add(value, parts.public)


def register_environment() -> None:
    """Register the passwords, tokens and keys in this process's environment variables."""
    for name, value in os.environ.items():
        if _VARIABLE.search(name) and "://" not in value:
            current().add(value.strip())


def contains_secret(text: str) -> bool:
    """Whether a text contains a registered secret."""
    return next(current().spans(text), None) is not None
