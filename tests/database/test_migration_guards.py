"""What must hold before any DDL: the lock that migrators share, a server that takes writes, tables and rights."""

import time

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.migrations import guards
from cartctl.database.migrations.guards import PLATFORM, migrating, refuse_unwritable, refuse_without_rights
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Locked, Refused
from tests.database.conftest import Settings
from tests.database.test_migrate import run_sql
from tests.services import Server


def test_one_migrator_at_a_time(
    empty_database: Postgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is named after the time that it may take; its lock is Prisma's, and of this database alone."""
    assert guards.MIGRATOR_WAIT == 15.0
    monkeypatch.setattr(guards, "MIGRATOR_WAIT", 0.5)
    given = settings(empty_database)
    with empty_database.session("somebody") as other:
        other.execute("SELECT pg_advisory_lock(72707369)")
        pid = other.info.backend_pid
        began = time.monotonic()
        with (
            pytest.raises(
                Locked, match=rf"pid {pid}, user postgres, application cartctl somebody, for \d+ s\."
            ),
            migrating(empty_database, given, Pulse()),
        ):
            pytest.fail("the lock is held")
        assert 0.5 <= time.monotonic() - began < 20
        other.execute("SELECT pg_advisory_unlock(72707369)")
        with migrating(empty_database, given, Pulse()) as aside:
            held = other.execute("SELECT pg_try_advisory_lock(72707369)").fetchone()
            assert (held, aside.execute("SHOW search_path").fetchone()) == ((False,), ("public",))
        other.execute("SET lock_timeout = '20s'")
        other.execute("SELECT pg_advisory_lock(72707369)")  # freed with the connection


def test_a_lock_freed_in_between_has_no_holder_to_name(empty_database: Postgres) -> None:
    """Nor has a lock of another key, or one that is only waited for."""
    with empty_database.session("somebody") as other, empty_database.session("tests") as connection:
        other.execute("SELECT pg_advisory_lock(7), pg_advisory_lock(1, 72707369)")
        assert guards._holder(connection) == "it has just ended"
        other.execute("SET application_name = ''")
        other.execute("SELECT pg_advisory_lock(72707369)")
        assert "application unnamed" in guards._holder(connection)


def test_a_session_that_may_not_write_is_refused(empty_database: Postgres) -> None:
    """With the setting that is the reason."""
    with empty_database.session("tests") as connection:
        refuse_unwritable(connection)
        connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(Refused, match=r"This session is read-only \(default_transaction_read_only\)"):
            refuse_unwritable(connection)


def test_roles_that_are_not_there_are_named_with_their_setting(
    platform_database: Postgres, settings: Settings
) -> None:
    """The owner's and the application's."""
    with platform_database.session("tests") as connection:
        refuse_without_rights(connection, settings(platform_database))
        known = {"owner_role": "postgres", "app_role": "pg_monitor"}
        refuse_without_rights(connection, settings(platform_database, **known))
        for key in known:
            with pytest.raises(ConfigError, match=rf"database\.{key}: role nobody_at_all not found"):
                refuse_without_rights(
                    connection, settings(platform_database, **{**known, key: "nobody_at_all"})
                )


def test_tables_of_the_platform_that_are_missing_are_named(
    platform_database: Postgres, settings: Settings
) -> None:
    """With the schema that has them, if any."""
    given = settings(platform_database)
    run_sql(platform_database, "DROP TABLE sites CASCADE", "DROP TABLE products CASCADE")
    with platform_database.session("tests") as connection:
        with pytest.raises(
            Refused, match=r"were not found: products, sites missing in schema public"
        ) as missing:
            refuse_without_rights(connection, given)
        assert missing.value.hint == "Check that database.dsn is the platform's database."
        connection.execute("CREATE SCHEMA shop CREATE TABLE sites (id text)")
        connection.execute("CREATE SCHEMA views CREATE VIEW products AS SELECT 1")
        with pytest.raises(Refused) as elsewhere:
            refuse_without_rights(connection, given)
        assert elsewhere.value.hint.startswith("They are in schema shop: ")


def test_rights_that_are_missing_are_named_with_the_grant(
    pg18: Server, platform_database: Postgres, settings: Settings
) -> None:
    """First the schema's, then the tables'; a right on one column is enough; the owner's role counts where there is one."""
    pg18.execute("DROP ROLE IF EXISTS gd_deployer")
    pg18.execute("CREATE ROLE gd_deployer LOGIN")
    try:
        poor, given = platform_database.as_user("gd_deployer"), settings(platform_database)
        with poor.session("tests") as connection:
            with pytest.raises(
                Refused, match="gd_deployer may not create tables in schema public"
            ) as refused:
                refuse_without_rights(connection, given)
            assert refused.value.hint == "GRANT CREATE ON SCHEMA public TO gd_deployer"
            run_sql(
                platform_database,
                "GRANT CREATE ON SCHEMA public TO gd_deployer",
                "GRANT REFERENCES ON companies, customers TO gd_deployer",
                "GRANT REFERENCES (id) ON sites TO gd_deployer",
            )
            with pytest.raises(Refused, match=r"create foreign keys to products\.") as refused:
                refuse_without_rights(connection, given)
            assert refused.value.hint == "GRANT REFERENCES ON products TO gd_deployer"
            refuse_without_rights(connection, settings(platform_database, owner_role="postgres"))
            run_sql(platform_database, f"GRANT REFERENCES ON {', '.join(PLATFORM)} TO gd_deployer")
            refuse_without_rights(connection, given)
        with platform_database.session("tests") as connection:
            refuse_without_rights(connection, settings(platform_database, owner_role="gd_deployer"))
    finally:
        run_sql(platform_database, "DROP OWNED BY gd_deployer")
        pg18.execute("DROP ROLE gd_deployer")
