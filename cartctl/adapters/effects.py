"""Every side effect passes through here, so that a test can kill the process before and after each one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Moment = Literal["before", "after"]


def _nothing(name: str, moment: Moment) -> None:
    """The default: does nothing."""


probe: Callable[[str, Moment], None] = _nothing
"""Called around each effect; the kill matrix replaces it."""


@contextmanager
def effect(name: str) -> Iterator[None]:
    """Mark an external side effect, named `adapter.verb`."""
    probe(name, "before")
    yield
    probe(name, "after")
