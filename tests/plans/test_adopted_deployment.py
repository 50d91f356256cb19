"""The whole deployment, with cluster, traffic and monitoring, of a database that the application's own files migrated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.database.catalogue import difference, read_catalogue
from cartctl.migrations.frozen import NAMES
from cartctl.sandbox.names import APP, OWNER
from tests.database.applications import applied_by_prisma, other_names, write_application
from tests.database.test_adoption import APPLIED
from tests.database.test_migrate import run_sql
from tests.plans.test_lifecycle import Cli, cli
from tests.sandbox_fixture import Sandbox

__all__ = ["cli"]

OWNED = f"""DO $$ DECLARE each text; BEGIN
FOR each IN SELECT format('TABLE public.%I', relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL SELECT format('TYPE public.%I', typname) FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
LOOP EXECUTE format('ALTER %s OWNER TO {OWNER}', each); END LOOP; END $$"""
GRANTS = (
    OWNED,
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP}",
    f"REVOKE ALL ON _prisma_migrations FROM {APP}",
)
LEFT = 'ALTER TABLE sites DROP COLUMN IF EXISTS "cartTheme", DROP COLUMN IF EXISTS "checkoutMode"'


@pytest.fixture
def platform(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox; columns that an application's files added to the platform's tables are dropped afterwards."""
    yield sandbox
    run_sql(sandbox.superuser, LEFT)


@pytest.mark.parametrize("applied", (2, 3))
def test_a_database_of_the_application_is_deployed_to(
    platform: Sandbox, cli: Cli, tmp_path: Path, applied: int
) -> None:
    """Adopted, deployed with every check and the monitoring, verified, and its code rolled back; its tables stay."""
    directory = write_application(tmp_path / "migrations", other_names)
    applied_by_prisma(platform.superuser, directory, NAMES[:applied])
    run_sql(platform.superuser, *GRANTS)
    cli.env["CARTCTL_DATABASE__MIGRATIONS__PRISMA_DIR"] = str(directory)
    code, adopted = cli.run("migrate", "adopt")
    assert code == 0, adopted
    assert adopted["adopted"] == list(NAMES[:applied])
    cli.deploy()
    assert set(cli.images().values()) == {"2.0.0"}
    assert cli.run("migrate", "verify")[0] == 0
    assert cli.run("monitor", "--once")[0] == 0
    assert run_sql(platform.superuser, APPLIED) == [(name,) for name in NAMES]
    with platform.superuser.session("tests") as connection:
        before = read_catalogue(connection)
    code, report = cli.run("rollback", "--yes")
    assert (code, report["outcome"], set(cli.images().values())) == (0, "succeeded", {"1.0.0"})
    with platform.superuser.session("tests") as connection:
        assert difference(before, read_catalogue(connection)).lines() == []
    cli.deploy()
