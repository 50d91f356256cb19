"""The state before the migration, recorded: the catalogue whole, which a database rollback is measured against, and what runs."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed


class Fingerprint(Action[dict[str, Any]]):
    """Reads the catalogue twice; somebody at work on it is no state to go back to."""

    key = "fingerprint"
    harmless: ClassVar[bool] = True

    def __init__(
        self, postgres: Postgres, running: Callable[[], Mapping[str, Mapping[str, str]]] = dict
    ) -> None:
        self._postgres = postgres
        self._running = running

    def find(self, run: Run) -> None:
        """Never made already: a reading is only worth something when it is fresh."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:  # noqa: ARG002 - the same for every run
        """`hash` (SHA-256), `objects`: every object's facts by `kind qualified-name`, and `running`: what runs.

        Raises StepFailed naming what changed between the two readings.
        """
        with self._postgres.session("fingerprint") as connection, pulse.cancelling(connection.cancel_safe):
            first, second = read_catalogue(connection), read_catalogue(connection)
        if first.hash != second.hash:
            changed = "; ".join(difference(first, second).lines()[:5])
            raise StepFailed(
                f"Somebody is changing the database's structure right now: {changed}.",
                hint="Let them finish, then deploy again.",
            )
        return {"hash": second.hash, "objects": dict(second.objects), "running": dict(self._running())}


def recorded(result: dict[str, Any]) -> Catalogue:
    """The catalogue that a fingerprint's result holds."""
    return Catalogue(result["objects"])
