"""The steps fingerprint and migrate: found again after a kill, their results enough to take everything back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.database.catalogue import Catalogue
from cartctl.database.drop.consent import Allowed
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, StepFailed
from cartctl.migrations.frozen import NAMES
from cartctl.steps.database import fingerprint
from cartctl.steps.database.drop import Drop
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate
from tests.database.conftest import Settings
from tests.database.test_migrate import run_sql

POINTS = ["postgres.migrate.schema", *(f"postgres.migrate.{name}" for name in NAMES)]


class Killed(BaseException):
    """As abrupt as it gets in one process."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run without results yet."""
    return Run("run-1", "test", datetime.now(UTC), tmp_path, "running", {})


@pytest.mark.parametrize("moment", ("before", "after"))
@pytest.mark.parametrize("point", POINTS)
def test_a_migration_killed_anywhere_is_resumed_and_rolled_back_whole(
    platform_database: Postgres,
    settings: Settings,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    moment: str,
) -> None:
    """Killed around each commit, the step applies the rest; taking it back leaves the fingerprint, others' work apart."""

    def probe(name: str, when: str) -> None:
        if (name, when) == (point, moment):
            raise Killed

    running = {"job-worker.worker": {"acme/api:1": "sha256:1"}}
    recorded = Fingerprint(platform_database, lambda: running).perform(run, Pulse())
    assert recorded["running"] == running
    run = replace(run, results={"fingerprint": recorded})
    step = Migrate(platform_database, settings(platform_database))
    monkeypatch.setattr(effects, "probe", probe)
    with pytest.raises(Killed):
        step.perform(run, Pulse())
    monkeypatch.undo()
    run_sql(platform_database, "ALTER TABLE orders ADD later text")
    result = step.find(run) or step.perform(run, Pulse())
    assert step.find(run) is not None
    run = replace(run, results={**run.results, "migrate": result})
    Drop(platform_database, settings(platform_database), Allowed()).perform(run, Pulse())
    run_sql(platform_database, "ALTER TABLE orders DROP later")
    assert Fingerprint(platform_database).perform(run, Pulse())["hash"] == recorded["hash"]


def test_find_wants_everything_as_it_must_be(migrated: Postgres, settings: Settings, run: Run) -> None:
    """A migrated database is found; one that lost an index is not, and performing then names what is wrong."""
    step = Migrate(migrated, settings(migrated))
    assert step.find(run) is not None
    run_sql(migrated, "DROP INDEX idx_carts_expiration")
    assert step.find(run) is None
    with pytest.raises(CheckFailed, match="idx_carts_expiration"):
        step.perform(run, Pulse())


def test_a_moving_catalogue_is_no_fingerprint(
    platform_database: Postgres, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When two readings differ the step fails and names what is being changed."""
    readings: Iterator[Catalogue] = iter([Catalogue({"table a": {}}), Catalogue({"table b": {}})])

    def read(_connection: Connection) -> Catalogue:
        return next(readings)

    monkeypatch.setattr(fingerprint, "read_catalogue", read)
    with pytest.raises(StepFailed, match=r"\+ table b; - table a"):
        Fingerprint(platform_database).perform(run, Pulse())
