"""Stdout and stderr of every command, without secrets and untrusted control characters.

Text that is already safe is `Ready` and passes unchanged: our own colours, and JSON that masking would break.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from cartctl.redaction import Pieces, register_environment
from cartctl.render.safe_text import escape_controls


class Ready(str):
    """A text that is known to have neither secrets nor untrusted control characters."""

    __slots__ = ()


class _Guarded:
    """Writes safe text to a stream; all other attributes are the stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pieces = Pieces()

    def write(self, text: str) -> int:
        """Write the text redacted and escaped, holding back the possible beginning of a secret until its rest is known."""
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
        """Flush the stream."""
        self._stream.write(escape_controls(self._pieces.flush()))
        self._stream.flush()

    def finish(self) -> None:
        """Write the text that was held back, at the end."""
        if rest := self._pieces.rest():
            self._stream.write(escape_controls(rest))

    def __getattr__(self, name: str) -> Any:
        if name in {"buffer", "detach"}:
            raise AttributeError(name)  # the unguarded stream
        return getattr(self._stream, name)


class _Drawn:
    """The stream for rich, whose text is made safe before it adds its own escape sequences."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text unchanged."""
        return self._stream.write(Ready(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard(stream: TextIO) -> TextIO:
    """A stream that writes only safe text; a guarded one is returned unchanged."""
    return stream if isinstance(stream, _Guarded) else cast("TextIO", _Guarded(stream))


def drawn(stream: TextIO) -> TextIO:
    """A stream for `drawing.Console`."""
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
            with suppress(OSError, ValueError):  # the reader has gone, or the stream is closed
                cast("_Guarded", stream).finish()
