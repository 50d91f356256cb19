"""The sandbox's database: roles as a careful DBA makes them, the platform's tables, and data in them."""

from importlib.resources import files
from pathlib import Path

from cartctl.adapters.embedded_postgres import EmbeddedPostgres
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.sandbox.layout import Layout, write_atomic
from cartctl.sandbox.seed import seed

DATABASE = "platform"
OWNER = "payment_owner"  # owns the platform's tables; nobody logs in as it
APP = "payment_api"  # the application
DEPLOYER = "deployer"  # cartctl

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


def start(layout: Layout) -> EmbeddedPostgres:
    """The running server with the platform's database in it; what a broken first start left unfinished is finished."""
    server = EmbeddedPostgres(layout.postgres)
    server.start()
    done = layout.application_dsn
    dsn = server.dsn(APP, DATABASE)
    if not done.exists():
        _prepare(server)
    if not done.exists() or done.read_text(encoding="utf-8") != dsn:
        write_atomic(done, dsn, mode=0o600)
    return server


def _prepare(server: EmbeddedPostgres) -> None:
    with Postgres(server.dsn("postgres")).session("sandbox") as connection:
        if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", DEPLOYER):
            connection.execute(ROLES)
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    with Postgres(server.dsn("postgres", DATABASE)).session("sandbox", autocommit=False) as connection:
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
    found = connection.execute(query.encode(), (name,)).fetchone()
    return found is not None and found[0] is not None


def socket_directory(dsn: str) -> Path:
    """Where the socket of a DSN written here is."""
    return Path(dsn.partition(" ")[0].removeprefix("host="))
