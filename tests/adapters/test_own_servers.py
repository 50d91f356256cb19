"""A server that cartctl started is reached and changed as itself, whatever variables libpq would read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from cartctl.adapters.postgres import NamedServer, OwnPostgres, Postgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.errors import ConfigError, Refused
from tests.services import Server

WRONG = {
    each.envvar.decode(): "wrong"
    for each in Conninfo.get_defaults()
    if each.envvar and each.keyword != b"service"
} | {
    "PGHOSTADDR": "127.0.0.1",
    "PGHOST": "127.0.0.1",
    "PGPORT": "1",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGCLIENTENCODING": "LATIN1",
    "PGSYSCONFDIR": "/nowhere",
    "PGSERVICEFILE": "/nowhere",
    "PGDATA": "/nowhere",
}
STARTED = """
import json
from cartctl.adapters.postgres_server.scratch import scratch_server
with scratch_server(18) as server, server.session("tests") as connection:
    names = ("port", "client_encoding", "fsync", "TimeZone", "DateStyle")
    print(json.dumps([connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0] for name in names]))
"""


@pytest.fixture
def surrounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that libpq reads, with a value that leads nowhere."""
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=("started", "named"))
def own(empty_database: Postgres, request: pytest.FixtureRequest) -> OwnPostgres:
    """A database of the tests' server as one of our own, or as one that a user names with --server."""
    if request.param == "named":
        return NamedServer(empty_database.dsn)
    with empty_database.session("tests") as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    return OwnPostgres(empty_database.dsn, Path(str(row and row[0])))


def test_no_variable_of_libpqs_reaches_it(own: OwnPostgres, surrounded: None, tmp_path: Path) -> None:
    """Sessions, pg_dump and pg_restore find the server with each of the variables wrong; a target would not be found."""
    with own.session("tests") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS id")
    tools = find_tools(180001)
    tools.dump(own, tmp_path / "dump")
    with own.session("tests") as connection:
        connection.execute("DROP TABLE t")
    tools.restore(own, tmp_path / "dump")
    with own.session("tests") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    with pytest.raises(Exception, match=r"wrong|invalid"):
        Postgres(own.dsn).connect("tests")


def test_it_starts_as_itself(tmp_path: Path) -> None:
    """A scratch server starts in surroundings that name another port, encoding, zone and a service that does not exist."""
    odd = {"PGSERVICE": "nowhere", "PGTZ": "Nowhere/Nowhere", "PGDATESTYLE": "German", "PGGEQO": "perhaps"}
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        env={**os.environ, **WRONG, **odd},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["5432", "UTF8", "off", "UTC", "ISO, MDY"]


@pytest.mark.parametrize(
    ("dsn", "missing"),
    (("dbname=d user=u", "host"), ("service=s", "host, dbname, user"), ("host=h", "dbname, user")),
)
def test_a_named_server_is_named_in_full(dsn: str, missing: str) -> None:
    """What a DSN leaves out would come from libpq's defaults, and lead to the target."""
    with pytest.raises(ConfigError, match=f"lacks: {missing}\\."):
        NamedServer(dsn)


def test_a_named_server_may_use_tls() -> None:
    """TLS where the server offers it; a client certificate only where the DSN names one."""
    plain = NamedServer("host=h dbname=d user=u")._parameters()
    named = NamedServer("host=h dbname=d user=u sslmode=verify-full sslcert=c")._parameters()
    assert (plain["sslmode"], plain["sslcertmode"]) == ("prefer", "disable")
    assert (named["sslmode"], named["sslcertmode"]) == ("verify-full", "allow")


def test_another_server_is_refused(own: OwnPostgres, tmp_path: Path) -> None:
    """A server with another system identifier than the data directory's is refused at the first connection."""
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(b"12345678")
    with pytest.raises(Refused, match="A server other than cartctl's own"):
        OwnPostgres(own.dsn, tmp_path).connect("tests")
    own.connect("tests").close()


def test_no_setting_of_another_server_is_changed(pg16: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another server responds at the scratch server's address, its configuration stays as it was."""

    def settings() -> list[tuple[str, ...]]:
        with psycopg.connect(pg16.dsn) as connection:
            return connection.execute("SELECT name, setting FROM pg_file_settings ORDER BY 1").fetchall()

    before = settings()
    monkeypatch.setattr(EmbeddedPostgres, "dsn", lambda *_: pg16.dsn)
    with pytest.raises(Refused, match="A server other than cartctl's own"), scratch_server(18):
        pass
    assert settings() == before


def test_a_target_honours_what_libpq_finds(
    empty_database: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A target's host comes from PGHOST, its options from PGOPTIONS, its name from a service: as for psql."""
    parts = dict(part.partition("=")[::2] for part in empty_database.dsn.split())
    monkeypatch.setenv("PGHOST", parts["host"])
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on -c work_mem=7MB")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    (tmp_path / "services").write_text(f"[shop]\ndbname={parts['dbname']}\nuser=postgres\n")
    target = Postgres("service=shop")
    assert target.name == parts["dbname"]
    with target.session("tests") as connection:
        result = connection.execute(
            "SELECT current_setting('work_mem'), current_setting('transaction_read_only')"
        )
        assert result.fetchone() == ("7MB", "on")
    find_tools(180001).dump(target, tmp_path / "dump")
    assert make_conninfo("", service="shop") == target.dsn
