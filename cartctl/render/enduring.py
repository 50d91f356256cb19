"""Writing to somebody who may leave: a run goes on when the reader of its events is gone."""

import os
from collections.abc import Iterable
from io import UnsupportedOperation
from typing import TextIO, cast


def enduring(stream: TextIO) -> TextIO:
    """A stream whose closed pipe is no error: what is written afterwards is dropped."""
    return cast("TextIO", _Enduring(stream))  # the part of it that writers use


class _Enduring:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._gone = False

    @property
    def encoding(self) -> str:
        """The underlying stream's."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Write, or drop, a text."""
        if not self._gone:
            self._attempt(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Push out what was written."""
        if not self._gone:
            self._attempt("")

    def isatty(self) -> bool:
        """Whether a person watches."""
        return self._stream.isatty()

    def _attempt(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self._gone = True
            self._silence()

    def _silence(self) -> None:
        """Lead the stream nowhere, or the interpreter's own flush at its end fails once more."""
        try:
            number = self._stream.fileno()
        except UnsupportedOperation:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
