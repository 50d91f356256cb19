"""Indexes on tables with rows, built concurrently, one at a time, without blocking writers."""

from dataclasses import asdict
from typing import Any

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.migrations.indexes import build_indexes
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class BuildIndexes(Action[dict[str, Any]]):
    """Builds missing indexes; rebuilds an index that an interrupted attempt left invalid."""

    key = "indexes"

    def __init__(self, postgres: Postgres, settings: Database, *, scale: bool = False) -> None:
        self._postgres = postgres
        self._settings = settings
        self._scale = scale

    def find(self, run: Run) -> None:
        """None: `perform` reads from the catalogue which indexes are missing."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """Build: names of `indexes` and of those `rebuilt`, `seconds`. Raises what `build_indexes` raises."""
        return asdict(build_indexes(self._postgres, self._settings, pulse, scale=self._scale))
