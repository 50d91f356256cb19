"""The user's own command after the migration, for example `npx prisma generate`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cartctl.adapters.effects import effect
from cartctl.adapters.programs import Program, inherited, running
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.redaction import cut_beginning

TAIL = 2000  # characters of output kept in the journal


class Hook(Action[dict[str, Any]]):
    """Runs `argv` (never through a shell) without secrets in its environment except those `given`, for at most `timeout`."""

    key = "hook.after_migrate"

    def __init__(
        self, argv: Sequence[str], timeout: timedelta, given: Mapping[str, str] | None = None
    ) -> None:
        self._argv = tuple(argv)
        self._given = dict(given or {})
        self._timeout = timeout.total_seconds()

    def find(self, run: Run) -> dict[str, Any] | None:  # noqa: ARG002 - a hook has no state to read
        """None: a hook must be safe to run again, since cartctl may be killed right after it."""
        return None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Run it to its end; the end of its output, masked. Raises ProgramFailed, ConfigError when it cannot start."""
        environment = {**inherited(), **self._given, "CARTCTL_RUN": run.id, "CARTCTL_ENV": run.env}
        try:
            with running(self._argv, environment) as program, effect("hook.run"):
                return {"exit_code": 0, "output": self._attend(program, pulse)}
        except OSError as error:
            raise ConfigError(
                f"The hook {self._argv[0]!r} cannot start: {error.strerror}.",
                hint="Check release.after_migrate.",
            ) from error

    def _attend(self, program: Program, pulse: Pulse) -> str:
        pulse.attending(self._timeout, f"The hook {program.name}", every=0.05)(program)
        return cut_beginning(program.output().strip(), TAIL)
