"""Commands that a test stops with real signals: `python -m tests.engine.stoppable WHAT [HOME]`, through cartctl's own way in.

Each writes `ready` to stdout once a signal may come.
"""

import hashlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cartctl import __main__, commands
from cartctl.adapters import programs
from cartctl.commands.options import Options
from cartctl.engine import signals
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse
from cartctl.engine.remaining import Stopping
from cartctl.engine.state import State
from tests.engine import toy
from tests.engine.toy import Set, World, forward, travel

LONG = 60.0  # seconds that nothing takes unless a signal is lost


def ready() -> None:
    """Tell the test."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def wait() -> None:
    """A pulse that waits, as a run does."""
    pulse = Pulse()
    with signals.interruptible(pulse):
        pulse.doing = "release.api"
        ready()
        pulse.pause(LONG)


def busy() -> None:
    """A library that is busy in C and looks for no signal; a second one ends the process after a moment all the same."""
    signals.REPORT_AFTER, signals.GRACE = 0.2, 0.4
    pulse = Pulse()
    with signals.interruptible(pulse):
        pulse.doing = "snapshot"
        ready()
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 400_000_000)


def prompt() -> None:
    """A question to the operator."""
    ready()
    Options().confirm("Go on?", yes=False)


def child(stubborn: bool = False) -> None:
    """A program that this one waits for; its process id is told first."""
    signals.REPORT_AFTER, signals.GRACE = 0.2, 0.4
    pulse = Pulse()
    with (
        signals.interruptible(pulse),
        programs.running(["sleep", "300"], programs.inherited()) as program,
    ):
        sys.stdout.write(f"{program.pid}\n")
        ready()
        if stubborn:
            hashlib.pbkdf2_hmac("sha256", b"x", b"y", 400_000_000)
        with pulse.cancelling(program.stop):
            program.wait(LONG)


class Slow(Set):
    """A release whose rollout does not come to its end, nor does its undo."""

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Set the image, then wait for the end of time."""
        super().move(to, pulse)
        ready()
        pulse.wait(
            lambda: (self._world.path.parent / f"go{to['image']}").exists() or None, LONG, what="a rollout"
        )


def run(home: Path) -> None:
    """The toy deployment with a slow release."""
    toy.World.here = world = World(home / "world.json")
    toy.KINDS["number"] = lambda key, names: (Slow if key == "release" else Set)(key, names, world)
    plan = forward(world)
    plan = (*plan[:5], Slow("release", ("image",), world, 2), *plan[6:])
    state, journal, pulse = State("r1"), ReplicatedJournal(FileJournal(home / "runs"), []), Pulse()
    words = {"workers.stop": "workers stopped"}
    stopping = Stopping(state, journal, words, "cartctl deploy --resume", lambda: True)
    with signals.interruptible(pulse), stopping.at_once(pulse):

        class Free:
            def confirm(self) -> None:
                """Held."""

        outcome = travel(
            plan,
            state,
            journal,
            Free(),
            pulse=pulse,
            on_failure=OnFailure.UNDO,
            observe=lambda event: print(event.key, event.event, file=sys.stderr, flush=True),  # noqa: T201 - to the test
        )
    raise typer.Exit(outcome.exit_code)


def act(what: str, home: Annotated[str, typer.Argument()] = "") -> None:
    """One of them."""
    os.environ.pop("CARTCTL_ENV", None)
    if what == "run":
        run(Path(home))
    elif what == "sleep":
        ready()
        time.sleep(LONG)
    elif what in {"child", "stubborn"}:
        child(stubborn=what == "stubborn")
    else:
        {"wait": wait, "busy": busy, "prompt": prompt}[what]()


if __name__ == "__main__":
    commands.COMMANDS["act"] = commands.Entry("__main__:act", "Act.")
    sys.argv.insert(1, "act")
    __main__.main()
