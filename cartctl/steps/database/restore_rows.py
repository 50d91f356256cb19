"""Restore of the cart's rows: rows saved by a rollback, or those of a snapshot."""

from pathlib import Path
from typing import Any

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.drop.restore_rows import OpenRowSource, RestoredRows, find_restored_rows, restore_rows
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class RestoreCarts(Action[dict[str, Any]]):
    """Copies the rows into the tables; with `replacing`, existing rows are saved and deleted first."""

    key = "carts.restore"

    def __init__(
        self,
        postgres: Postgres,
        settings: Database,
        source: OpenRowSource,
        *,
        name: str | None = None,
        replacing: bool = False,
    ) -> None:
        self._postgres = postgres
        self._settings = settings
        self._source = source
        self._name = name
        self._replacing = replacing

    def find(self, run: Run) -> dict[str, Any] | None:
        """The result of an interrupted attempt, or of an earlier run with the same `name`. Read-only."""
        restored = find_restored_rows(self._postgres, self._settings, run.id, self._name)
        return None if restored is None else _json(restored)

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Restore: `source`, `rows` by table, and the directory of the `replaced` rows."""
        place: Path | None = run.directory / "rows" if self._replacing else None
        with self._source() as rows:
            return _json(restore_rows(self._postgres, self._settings, rows, run.id, pulse, replacing=place))


def _json(result: RestoredRows) -> dict[str, Any]:
    fields = {"source": result.source, "rows": dict(result.rows), "replaced": result.replaced}
    return {**fields, "warnings": list(result.warnings)}
