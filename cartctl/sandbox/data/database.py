"""The sandbox's database: roles with minimal rights, the platform's tables, and their data."""

from importlib.resources import files

from cartctl.adapters.postgres import Connection
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.private_files import write_private
from cartctl.sandbox.data.seed import seed
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import APP, DATABASE, DEPLOYER, OWNER

ROLES = f"""
CREATE ROLE {OWNER} NOLOGIN;
CREATE ROLE {APP} LOGIN;
CREATE ROLE {DEPLOYER} LOGIN CREATEDB;
GRANT {OWNER} TO {DEPLOYER};
GRANT pg_read_all_data, pg_read_all_stats, pg_signal_backend TO {DEPLOYER};
"""
GRANTS = f"""
GRANT CREATE ON DATABASE {DATABASE} TO {DEPLOYER};
GRANT USAGE ON SCHEMA public TO {APP};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP};
"""


def start(server: EmbeddedPostgres, layout: Layout) -> None:
    """Start the server with the platform's database; an interrupted first start is completed."""
    server.start()
    if not layout.application_dsn.exists():
        _prepare(server)
    write_private(layout.application_dsn, server.dsn(APP, DATABASE))


def _prepare(server: EmbeddedPostgres) -> None:
    with server.database("postgres").session("sandbox") as connection:
        if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", DEPLOYER):
            connection.execute(ROLES)
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    with server.database("postgres", DATABASE).session("sandbox", autocommit=False) as connection:
        if not _exists(connection, "SELECT to_regclass(%s)", "public.companies"):
            make_platform(connection)


def make_platform(connection: Connection) -> None:
    """The platform's tables with their data, owned by the owner, usable by the application; the caller commits."""
    connection.execute(f"SET LOCAL ROLE {OWNER}")
    connection.execute(files("cartctl.sandbox").joinpath("platform.sql").read_bytes())
    seed(connection)
    connection.execute("RESET ROLE")
    connection.execute(GRANTS.encode())


def _exists(connection: Connection, query: str, name: str) -> bool:
    row = connection.execute(query.encode(), (name,)).fetchone()
    return row is not None and row[0] is not None
