"""The state before the migration: the whole catalogue, with which a database rollback compares, and the running images.

Also the names in the application's files that are about to run: other changes meanwhile are not theirs.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed


class Fingerprint(Action[dict[str, Any]]):
    """Reads the catalogue twice and refuses one that is being changed."""

    key = "fingerprint"
    harmless: ClassVar[bool] = True

    def __init__(
        self,
        postgres: Postgres,
        running: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
        identifiers: Callable[[Connection], Iterable[str]] = lambda _: (),
    ) -> None:
        self._postgres = postgres
        self._running = running
        self._identifiers = identifiers

    def find(self, run: Run) -> None:
        """None: only a fresh fingerprint is useful."""

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """`hash` (SHA-256), `objects` (definitions by `kind qualified-name`), `running` (images), `identifiers` and `run`.

        Raises StepFailed with the changes between the two readings.
        """
        with self._postgres.session("fingerprint") as connection, pulse.cancelling(connection.cancel_safe):
            first, second = read_catalogue(connection), read_catalogue(connection)
            identifiers = sorted(self._identifiers(connection))
        if first.hash != second.hash:
            changed = "; ".join(difference(first, second).lines()[:5])
            raise StepFailed(
                f"Another session is changing the database schema: {changed}.",
                hint="Wait until that has finished, then deploy again.",
            )
        return {
            "hash": second.hash,
            "objects": dict(second.objects),
            "running": dict(self._running()),
            "identifiers": identifiers,
            "run": run.id,
        }


def recorded(result: dict[str, Any]) -> Catalogue:
    """The catalogue in a fingerprint's result."""
    return Catalogue(result["objects"])
