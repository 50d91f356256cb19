"""Stdout and stderr as every command writes to them: no secret and no untrusted control character passes.

What was drawn or serialised with care is `Ready` and passes as it is: our own colours, and JSON that a mask would break.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from cartctl.redaction import Pieces, register_environment
from cartctl.render.safe_text import escape_controls


class Ready(str):
    """A text that holds neither secrets nor untrusted control characters, by the way it was made."""

    __slots__ = ()


class _Guarded:
    """Writes to a stream what may be shown; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pieces = Pieces()

    def write(self, text: str) -> int:
        """Write the text redacted and escaped, the beginning of a secret once it is known how it goes on."""
        if isinstance(text, Ready):
            self._stream.write(escape_controls(self._pieces.rest()) + text)
        else:
            self._stream.write(escape_controls(self._pieces.feed(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Push out what was written."""
        self._stream.write(escape_controls(self._pieces.flush()))
        self._stream.flush()

    def finish(self) -> None:
        """Write what still waits, at the end."""
        if rest := self._pieces.rest():
            self._stream.write(escape_controls(rest))

    def __getattr__(self, name: str) -> Any:
        if name in {"buffer", "detach"}:
            raise AttributeError(name)  # the way around
        return getattr(self._stream, name)


class _Drawn:
    """What rich writes to: its text is safe before it adds its own escape sequences."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass it on as it is."""
        return self._stream.write(Ready(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard(stream: TextIO) -> TextIO:
    """A stream that writes only what may be shown; one that does so already stays."""
    return stream if isinstance(stream, _Guarded) else cast("TextIO", _Guarded(stream))


def drawn(stream: TextIO) -> TextIO:
    """A stream for what is drawn by `drawing.Console`."""
    return cast("TextIO", _Drawn(stream))


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard stdout and stderr for one command: results, progress, tracebacks, warnings and what libraries log."""
    register_environment()
    previous = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = mine = guard(sys.stdout), guard(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = previous
        for stream in mine:
            with suppress(OSError, ValueError):  # the reader has left, or it is closed
                cast("_Guarded", stream).finish()
