"""Adoption of a database that another tool has migrated."""

from typing import Any

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.migrations.adopt import adopt
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class Adopt(Action[dict[str, Any]]):
    """Records existing migrations; changes no table."""

    key = "adopt"

    def __init__(self, postgres: Postgres, settings: Database) -> None:
        self._postgres = postgres
        self._settings = settings

    def find(self, run: Run) -> None:
        """None: recording again is harmless."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """`applied` and `adopted` names, `heads`, `seconds`, `warnings`. Raises what `adopt` raises."""
        result = adopt(self._postgres, self._settings, run.id, pulse)
        names = {
            "applied": list(result.applied),
            "adopted": list(result.adopted),
            "heads": list(result.heads),
        }
        return {**names, "seconds": result.seconds, "warnings": list(result.warnings)}
