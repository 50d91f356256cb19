"""The database's part of a rollback: save the cart's rows, then drop its tables and types."""

from dataclasses import asdict
from typing import Any, ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.drop import Dropped, drop, earlier_drop
from cartctl.database.drop.plan import plan_drop
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse


class Drop(Action[dict[str, Any]]):
    """Drops the objects that the reverted run created, known from its `fingerprint` and `migrate` results."""

    key = "database"
    careful: ClassVar[bool] = True

    def __init__(self, postgres: Postgres, settings: Database, allowed: Allowed) -> None:
        self._postgres = postgres
        self._settings = settings
        self._allowed = allowed

    def find(self, run: Run) -> dict[str, Any] | None:
        """The result, if nothing is left to drop. Read-only."""
        plan = plan_drop(self._postgres, self._settings, run.results, self._allowed)
        dropped = earlier_drop(plan, run.directory / "rows")
        return None if dropped is None else _json(dropped)

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Drop: names of `tables`, `enums`, `kept_enums` and `migrations`, `ledger_rows`, `rows`, and the directory in which they are `saved`.

        Of the application's files' changes outside the cart: dropped `columns` and `parts`, what was `reverted`, `labels` and
        `kept_labels`.

        Raises what `drop` raises.
        """
        rows = run.directory / "rows"
        return _json(drop(self._postgres, self._settings, run.results, self._allowed, rows, pulse))


def _json(result: Dropped) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(result).items()
    }
