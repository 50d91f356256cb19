"""`--watch`: show a state again whenever it has changed, until Ctrl-C."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from cartctl.commands.options import Options, Output

if TYPE_CHECKING:
    from cartctl.engine.pulse import Pulse

Watch: TypeAlias = Annotated[
    bool, typer.Option("--watch", "-w", help="Show it again whenever it changes, until you press Ctrl-C.")
]
EVERY = 2.0  # seconds between two readings


def show_watched(options: Options, read: Callable[["Pulse"], Any], *, watch: bool) -> None:
    """Show what `read` gives; with `watch` again after each change, on a cleared screen where there is one.

    JSON is one document per change. Raises Interrupted after Ctrl-C, and what `read` raises.
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.render.drawing import Console

    pulse = Pulse()
    with interruptible(pulse):
        result = read(pulse)
        options.show(result)
        while watch:
            pulse.pause(EVERY)
            before, result = result, read(pulse)
            if result != before:
                if options.output is Output.TEXT and sys.stdout.isatty():
                    Console(sys.stdout).clear()
                options.show(result)
