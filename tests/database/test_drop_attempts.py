"""The attempts of a drop: how often and how long it waits, what is not repeated, and what it forgets in cartctl's schema."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.database.drop import drop as dropping
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.drop import Dropped
from cartctl.database.drop.plan import plan_drop
from cartctl.database.drop.plan_objects import DropPart
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, StepFailed
from cartctl.migrations.frozen import NAMES
from tests.database.conftest import Settings
from tests.database.test_drop import CART, Deployed, Deploying, deployed
from tests.database.test_migrate import holding, run_sql
from tests.services import engine_of

__all__ = ["deployed"]


class Noting(Pulse):
    """A pulse that notes its pauses and takes no time for them."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        """Noted."""
        self.pauses.append(seconds)


def test_a_blocked_drop_waits_twice_as_long_each_time_and_gives_up_after_four(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second, two, four; the lock itself is waited for during the second that readers can bear."""
    assert dropping.LOCK_TIMEOUT.total_seconds() == 1
    monkeypatch.setattr(dropping, "LOCK_TIMEOUT", dropping.LOCK_TIMEOUT / 50)
    done, pulse = deployed(platform_database), Noting()
    with (
        holding(platform_database, "SELECT * FROM carts"),
        pytest.raises(StepFailed, match="could not be locked, 4 times") as blocked,
    ):
        done.drop(pulse)
    assert pulse.pauses == [1.0, 2.0, 4.0]
    assert "AccessShareLock on carts" in blocked.value.message
    assert blocked.value.hint.endswith("Then run the rollback again.")
    assert "pg_terminate_backend" in blocked.value.hint


def test_only_locks_are_worth_another_attempt(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of another kind is raised at once, and nothing is dropped; neither after an alarm."""
    done, pulse = deployed(platform_database), Noting()
    monkeypatch.setattr(dropping, "_forget", lambda connection, _: connection.execute("SELECT 1 / 0"))
    with pytest.raises(SqlFailed, match="division by zero"):
        done.drop(pulse)
    assert pulse.pauses == []
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [("carts",)]
    monkeypatch.undo()
    pulse.alarm(Interrupted("stop"))
    with pytest.raises(Interrupted):
        done.drop(pulse)
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [("carts",)]


@pytest.mark.parametrize("rows", (True, False))
def test_a_commit_that_was_not_confirmed_is_not_repeated_and_says_where_the_rows_are(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch, rows: bool
) -> None:
    """Only where some were saved."""
    done = deployed(platform_database)
    if rows:
        run_sql(platform_database, CART)

    def end(name: str, moment: str) -> None:
        if (name, moment) == ("postgres.drop", "before"):
            run_sql(
                platform_database,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'cartctl drop'",
            )

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", end)
        with pytest.raises(SqlFailed, match="The commit of the drop was not confirmed") as lost:
            done.drop(data_loss=True)
    assert ("The rows are saved in" in lost.value.message) is rows
    assert "rollback --database --plan" in lost.value.hint
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [("carts",)]


@pytest.fixture
def under_way(platform_database: Postgres, deployed: Deploying) -> Deployed:
    """A database whose first migration is older than the run."""
    from sqlalchemy import Connection

    from tests.migrations.revisions import move

    run_sql(platform_database, "CREATE SCHEMA cartctl")
    connection: Connection
    with engine_of(platform_database) as engine, engine.begin() as connection:
        move(connection, "upgrade", NAMES[0][:14])
    return deployed(platform_database)


def test_the_records_of_what_stays_stay(under_way: Deployed) -> None:
    """The version goes back to the last migration that stays, and what was restored into the tables is forgotten."""
    database = under_way.database
    run_sql(
        database,
        "CREATE TABLE IF NOT EXISTS cartctl.put_back (saved text)",
        "INSERT INTO cartctl.put_back SELECT 'x' WHERE NOT EXISTS (SELECT FROM cartctl.put_back)",
        "CREATE INDEX mine ON carts (id)",
    )
    record = "INSERT INTO cartctl.applied (revision, adopted, strict, run) VALUES ('{}', false, true, 'r0')"
    run_sql(database, record.format(NAMES[0][:14]))
    applied = "SELECT revision FROM cartctl.applied ORDER BY 1"
    assert run_sql(database, applied) == [(name[:14],) for name in NAMES]
    result = under_way.drop()
    assert run_sql(database, "SELECT version_num FROM cartctl.alembic_version") == [(NAMES[0][:14],)]
    assert run_sql(database, applied) == [(NAMES[0][:14],)]
    assert run_sql(database, "SELECT count(*) FROM cartctl.put_back") == [(0,)]
    assert (result["saved"], result["rows"], result["ledger_rows"]) == (None, 0, 0)
    assert run_sql(database, "SELECT to_regclass('carts')::text, to_regclass('mine')::text") == [
        ("carts", "mine")
    ]


def test_the_version_is_that_of_the_newest_migration_that_stays(
    platform_database: Postgres, deployed: Deploying
) -> None:
    """Where several are older than the run."""
    from sqlalchemy import Connection

    from tests.migrations.revisions import move

    run_sql(platform_database, "CREATE SCHEMA cartctl")
    connection: Connection
    with engine_of(platform_database) as engine, engine.begin() as connection:
        move(connection, "upgrade", NAMES[1][:14])
    deployed(platform_database).drop()
    version = run_sql(platform_database, "SELECT version_num FROM cartctl.alembic_version")
    assert version == [(NAMES[1][:14],)]


def test_without_a_table_of_what_was_restored_there_is_nothing_to_forget(under_way: Deployed) -> None:
    """As in a database of an earlier version."""
    run_sql(under_way.database, "DROP TABLE IF EXISTS cartctl.put_back")
    under_way.drop()
    assert run_sql(under_way.database, "SELECT version_num FROM cartctl.alembic_version") == [
        (NAMES[0][:14],)
    ]


def test_a_drop_reports_everything_that_went(platform_database: Postgres, deployed: Deploying) -> None:
    """In the order in which it went; consent for dependents and for rows is off unless given."""
    assert (Allowed().data_loss, Allowed().keep_dependents) == (False, False)
    assert Dropped((), (), (), (), 0, 0, None).warnings == ()
    done = deployed(platform_database)
    run_sql(platform_database, CART)
    plan = plan_drop(platform_database, done.settings, done.results)
    assert (plan.home, plan.rows, plan.irreversible) == (True, 4, ())
    result = done.drop(data_loss=True)
    assert result["tables"] == [table.name for table in plan.tables]
    assert (result["enums"], result["kept_enums"]) == (list(plan.enums), [])
    assert (result["migrations"], result["warnings"]) == (list(NAMES), [])
    assert Path(result["saved"]).is_dir()
    assert run_sql(platform_database, "SELECT to_regnamespace('cartctl')::text") == [(None,)]


def test_indexes_and_constraints_of_tables_that_stay_are_dropped_by_kind(
    platform_database: Postgres, settings: Settings
) -> None:
    """Each with its own statement, in the schema public whatever the search path."""
    recorded: dict[str, Any] = {
        "fingerprint": {"objects": {}},
        "migrate": {"difference": {"added": {}, "removed": {}, "changed": {}}},
    }
    run_sql(
        platform_database,
        "CREATE TABLE carts (id int CONSTRAINT one CHECK (id > 0))",
        "CREATE INDEX two ON carts (id)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.carts (id int CONSTRAINT one CHECK (id > 0))",
        "CREATE INDEX two ON other.carts (id)",
    )
    plan = plan_drop(platform_database, settings(platform_database), recorded)
    parts = replace(plan, parts=(DropPart("index", "two", "carts"), DropPart("constraint", "one", "carts")))
    with platform_database.session("tests", search_path="other") as connection:
        dropping._drop_objects(connection, parts)
        left = connection.execute(
            "SELECT (SELECT count(*) FROM pg_constraint WHERE conname = 'one'), (SELECT count(*) FROM pg_class WHERE relname = 'two')"
        ).fetchone()
    assert left == (1, 1)
