"""Whether a database rollback left the catalogue as it was before the deployment."""

from collections.abc import Mapping
from typing import Any, ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import read_catalogue
from cartctl.database.drop.differences import reverted_checks
from cartctl.engine.model import Check, Checks
from cartctl.engine.pulse import Pulse


class SameCatalogue(Check):
    """Compares over the objects of the run's own difference; `results` are those of the run that migrated."""

    key = "catalogue"
    follows: ClassVar[str] = "database"

    def __init__(self, postgres: Postgres, results: Mapping[str, Any]) -> None:
        self._postgres = postgres
        self._results = results

    def judge(self, pulse: Pulse) -> Checks:
        """Fail for what is left of the migration; what others changed since is listed and passes. Read-only."""
        with self._postgres.session("catalogue") as connection, pulse.cancelling(connection.cancel_safe):
            return reverted_checks(self._results, read_catalogue(connection))
