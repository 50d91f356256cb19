"""Indexes on tables that hold rows already, built one at a time without keeping writers out."""

from dataclasses import asdict
from typing import Any

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.migrations.indexes import build_indexes
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class BuildIndexes(Action[dict[str, Any]]):
    """Builds what is missing; an index that a killed attempt left invalid is built anew."""

    key = "indexes"

    def __init__(self, postgres: Postgres, settings: Database) -> None:
        self._postgres = postgres
        self._settings = settings

    def find(self, run: Run) -> None:
        """Never made already: the catalogue says what is missing, and `perform` reads it."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """Build: names of `indexes` and of those `rebuilt`, `seconds`. Raises what `build_indexes` raises."""
        return asdict(build_indexes(self._postgres, self._settings, pulse))
