"""Writing to a pipe that may break: a run continues when the reader of its events is gone."""

import os
from collections.abc import Iterable
from io import UnsupportedOperation
from typing import TextIO, cast


def enduring(stream: TextIO, loss: type[OSError] = OSError) -> TextIO:
    """A stream on which a `loss` (a closed pipe, a full disk) is ignored: later writes are dropped."""
    return cast("TextIO", _Enduring(stream, loss))  # the attributes that writers use


def silence(stream: TextIO) -> None:
    """Redirect a stream to the null device, or the interpreter's flush at exit fails again."""
    try:
        number = stream.fileno()
    except UnsupportedOperation:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


class _Enduring:
    def __init__(self, stream: TextIO, loss: type[OSError]) -> None:
        self._stream = stream
        self._loss = loss
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
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def _attempt(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except self._loss:
            self._gone = True
            silence(self._stream)
