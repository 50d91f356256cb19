"""The migration, with the verification of every object."""

import time
from dataclasses import asdict, replace
from typing import Any

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import Catalogue, Difference, read_catalogue, reading
from cartctl.database.drop.attribution import recorded_identifiers
from cartctl.database.drop.differences import attributed, before, to_json
from cartctl.database.migrations.apply import Migrated, apply_pending, find_pending, migrator_and_lock
from cartctl.database.migrations.status import act_as_owner_if_allowed, read_state, status
from cartctl.database.migrations.verify import verify_with
from cartctl.engine.model import Action, Checks, Run, Verdict
from cartctl.engine.prediction import TableLock
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed
from cartctl.migrations.frozen import MIGRATIONS


class Migrate(Action[dict[str, Any]]):
    """Applies pending migrations; they are additive, so a failing run does not revert them."""

    key = "migrate"

    def __init__(self, postgres: Postgres, settings: Database) -> None:
        self._postgres = postgres
        self._settings = settings

    def find(self, run: Run) -> dict[str, Any] | None:
        """The result, if every migration is recorded and every object verified. Read-only."""
        known = status(self._postgres, self._settings)
        if known.pending or known.unknown:
            return None
        now, checks = self._verify()
        if checks.bad():
            return None
        migrated = Migrated(applied=(), adopted=(), heads=(MIGRATIONS[-1].revision,), seconds=0.0)
        return _result(migrated, _attributed(run, now, now))

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Apply and verify.

        The result has `applied` and `adopted` names, `heads`, `seconds` of wall time, the `locks` on tables that existed before,
        and the catalogues' `difference`.

        Both catalogues are read while the migrators' lock is held, so that no other migration falls between them.
        A database rollback reverts the difference between before and after. Raises what `deploy` raises, and CheckFailed
        with the first object that does not match.
        """
        began = time.monotonic()
        settings = self._settings
        with migrator_and_lock(self._postgres, settings, pulse) as (connection, aside):
            with pulse.cancelling(connection.cancel_safe), reading(connection) as catalogue:
                pending = find_pending(aside, settings, run.id, began)
            before = catalogue.result()
            migrated = apply_pending(connection, pending, pulse)
            # on the same connection, whose caches are up to date
            with pulse.cancelling(connection.cancel_safe), reading(connection) as catalogue:
                state = read_state(aside)
            after = catalogue.result()
            require(verify_with(connection, after, settings, state=state))
        own = replace(migrated.over(state), locks=_existing(migrated.locks, before))
        return _result(own, _attributed(run, before, after))

    def _verify(self) -> tuple[Catalogue, Checks]:
        with (
            self._postgres.session("verify") as connection,
            act_as_owner_if_allowed(connection, self._settings),
        ):
            now = read_catalogue(connection)
            return now, verify_with(connection, now, self._settings)


def _existing(locks: tuple[TableLock, ...], before: Catalogue) -> tuple[TableLock, ...]:
    """Without the tables that the migrations made themselves: nobody waits for those."""
    known = before.of("table")
    return tuple(lock for lock in locks if lock.table in known)


def _attributed(run: Run, now: Catalogue, after: Catalogue) -> Difference:
    """What the migration changed since the catalogue that the run recorded at its start, or `now`."""
    fingerprint = before(run.results) if "fingerprint" in run.results else now
    return attributed(fingerprint, now, after, recorded_identifiers(run.results))


def _result(migrated: Migrated, difference: Difference) -> dict[str, Any]:
    return {
        "applied": list(migrated.applied),
        "adopted": list(migrated.adopted),
        "heads": list(migrated.heads),
        "seconds": migrated.seconds,
        "warnings": list(migrated.warnings),
        "locks": [asdict(lock) for lock in migrated.locks],
        "difference": to_json(difference),
    }


def require(checks: Checks) -> None:
    """Raise CheckFailed unless everything passed or only warned."""
    if checks.verdict in {Verdict.FAIL, Verdict.UNKNOWN}:
        worst, *others = checks.bad()
        more = f" (and {len(others)} more)" if others else ""
        raise CheckFailed(
            f"{worst.name} is {worst.observed}, expected {worst.expected}{more}.",
            hint="See: cartctl migrate verify",
        )
