"""A small world in one file, with a plan that changes it; run as a program, it can be killed at any point.

`python -m tests.engine.toy DSN DIRECTORY deploy|resume|fail|rollback [POINT:before|after]`
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from cartctl.adapters import effects
from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Postgres
from cartctl.engine.events import Event
from cartctl.engine.journal.recorder import Observer
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import Lock, RunLock
from cartctl.engine.model import Action, Change, Check, CheckResult, Checks, Restore, Run, Step, Verdict
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.runner import Runner
from cartctl.engine.state import State, fold

BEGINNING = {"replicas": 2, "workers": 1, "image": 1, "maintenance": 0}
END = {"replicas": 2, "workers": 1, "image": 2, "maintenance": 0, "migrated": 1}
KINDS = {"number": lambda key, names: Set(key, names, World.here)}


class World:
    """Named numbers in a file, changed only through effects."""

    here: ClassVar["World"]

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, int]:
        """All numbers."""
        numbers: dict[str, int] = json.loads(self.path.read_text())
        return numbers

    def write(self, name: str, number: int) -> None:
        """One number, atomically."""
        with effect(f"world.{name}"):
            beside = self.path.with_suffix(".new")
            beside.write_text(json.dumps({**self.read(), name: number}))
            beside.replace(self.path)


class Set(Change[int]):
    """Sets numbers."""

    kind: ClassVar[str] = "number"
    value: ClassVar[Any] = int

    def __init__(self, key: str, names: tuple[str, ...], world: World, expected: int = 0) -> None:
        self.key, self.names, self._world, self._wanted = key, names, world, expected

    def observe(self, names: tuple[str, ...]) -> dict[str, int]:
        """The numbers now."""
        return {name: self._world.read()[name] for name in names}

    def target(self, before: Mapping[str, int]) -> dict[str, int]:
        """All as wanted."""
        return dict.fromkeys(before, self._wanted)

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Write those that differ."""
        pulse.check()
        for name, number in to.items():
            if self._world.read()[name] != number:
                self._world.write(name, number)


class Migrate(Action[int]):
    """Adds a number that stays."""

    key = "toy.migrate"

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, run: Run) -> int | None:
        """The number, when it is there."""
        return self._world.read().get("migrated")

    def perform(self, run: Run, pulse: Pulse) -> int:
        """Add it."""
        self._world.write("migrated", 1)
        return 1


class PreflightCheck(Check):
    """Looks whether the image is the one given."""

    key = "health"

    def __init__(self, world: World, expected: int) -> None:
        self._world, self._wanted = world, expected

    def judge(self, pulse: Pulse) -> Checks:
        """Pass or fail."""
        image = self._world.read()["image"]
        verdict = Verdict.PASS if image == self._wanted else Verdict.FAIL
        return Checks((CheckResult("image", verdict, image, self._wanted),))


def forward(world: World, wanted_health: int = 2) -> tuple[Step, ...]:
    """A deployment in small."""
    return (
        Set("prewarm", ("replicas",), world, 3),
        Set("workers.stop", ("workers",), world, 0),
        Set("maintenance.on", ("maintenance",), world, 1),
        Migrate(world),
        Restore("maintenance.off", of="maintenance.on"),
        Set("release", ("image",), world, 2),
        PreflightCheck(world, wanted_health),
        Restore("workers.start", of="workers.stop"),
        Restore("prewarm.restore", of="prewarm"),
    )


def backward(world: World) -> tuple[Step, ...]:
    """A rollback in small."""
    return (
        Set("workers.stop", ("workers",), world, 0),
        Restore("release.undo", of="release"),
        PreflightCheck(world, 1),
        Restore("workers.start", of="workers.stop"),
        Restore("maintenance.off", of="maintenance.on"),
        Restore("prewarm.restore", of="prewarm"),
    )


def travel(
    plan: tuple[Step, ...],
    state: State,
    journal: ReplicatedJournal,
    lock: Lock,
    *,
    pulse: Pulse | None = None,
    on_failure: OnFailure,
    observe: Observer = lambda _: None,
) -> Outcome:
    """Begin or go on with a run of the toy plan."""
    at = datetime.now(UTC)
    if state.started is None:
        result = Event(
            state.run,
            at,
            "run",
            "started",
            {"plan": "rollback" if on_failure is OnFailure.CONTINUE else "deploy"},
        )
        journal.append(result)
        state.take(result)
    run = Run(state.run, "toy", at, Path(), "running", dict(state.results))
    runner = Runner(
        run,
        state,
        journal,
        kinds=KINDS,
        lock=lock,
        pulse=pulse or Pulse(),
        observe=observe,
        on_failure=on_failure,
    )
    return runner.execute(plan, {})


def go(dsn: str, home: Path, verb: str) -> int:
    """One command line of the toy; returns its exit code."""
    World.here = world = World(home / "world.json")
    main, file, pulse = PostgresJournal(Postgres(dsn)), FileJournal(home / "runs"), Pulse()
    main.prepare()
    journal = ReplicatedJournal(main, [file])
    state = State("r2") if verb == "rollback" else State("r1")
    if verb == "rollback":
        state.inherit(fold("r1", journal.events("r1")))
    for event in journal.events(state.run):
        state.take(event)
    plan = backward(world) if verb == "rollback" else forward(world, 3 if verb == "fail" else 2)
    with RunLock(Postgres(dsn), journal, state.run, pulse, wait=5) as lock:
        on_failure = OnFailure.CONTINUE if verb == "rollback" else OnFailure.UNDO
        outcome = travel(plan, state, journal, lock, pulse=pulse, on_failure=on_failure)
    main.close()
    return outcome.exit_code


class Killer:
    """Counts what passes the door of effects, and kills this process at one of them."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.passed = 0

    def __call__(self, name: str, moment: str) -> None:
        """One effect begins or has ended."""
        self.passed += moment == "before"
        if self.at == f"{self.passed}:{moment}":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    killer = Killer(sys.argv[4] if len(sys.argv) > 4 else "")
    effects.probe = killer
    code = go(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    sys.stdout.write(f"{killer.passed}\n")
    sys.exit(code)
