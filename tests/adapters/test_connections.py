"""The share of database connections in use, on real servers."""

import psycopg
import pytest

from cartctl.adapters.metrics.connections import ConnectionShare
from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.adapters.postgres import DatabaseUnreachable, Postgres
from cartctl.errors import CartctlError
from tests.services import Server


def value(reading: Reading) -> float:
    """The reading's value."""
    assert reading.metric is Metric.DB_CONNECTIONS
    assert reading.value is not None
    assert reading.age == 0.0
    return reading.value


def test_without_a_limit_the_server_is_the_pool(server: Server) -> None:
    """All clients over what the server lets in, its reserved connections left out."""
    database = server.create_database()
    share = ConnectionShare(database)
    before = share.read()
    with psycopg.connect(database.dsn), psycopg.connect(database.dsn):
        after = share.read()
    pool = int(before.detail.split()[2])
    assert 0 < pool < 120
    assert value(after) - value(before) == pytest.approx(2 / pool)
    share.close()
    server.drop(database)


def test_with_a_limit_only_the_application_counts(empty_database: Postgres) -> None:
    """The application's connections over limit times pods; cartctl's own are not the application's."""
    share = ConnectionShare(empty_database, limit=5, pods=lambda: 2)
    with empty_database.session("smoke"), psycopg.connect(empty_database.dsn):
        assert value(share.read()) == pytest.approx(1 / 10)
    share.close()


def test_with_a_role_only_its_connections_count(empty_database: Postgres) -> None:
    """Somebody else's session in the same database is not of the pool."""
    share = ConnectionShare(empty_database, limit=5, role="nobody_here")
    with psycopg.connect(empty_database.dsn):
        assert value(share.read()) == 0
    share.close()


def test_no_pod_is_an_error_not_zero(empty_database: Postgres) -> None:
    """A pool without a size is not an empty one."""
    share = ConnectionShare(empty_database, limit=5, pods=lambda: 0)
    reading = share.read()
    assert reading.error
    assert reading.value is None
    share.close()


def test_a_lost_connection_is_an_error_once(empty_database: Postgres) -> None:
    """When its backend is ended the next reading fails and the one after it works again."""
    share = ConnectionShare(empty_database)
    share.read()
    with psycopg.connect(empty_database.dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'cartctl monitor' AND datname = current_database()"
        )
    with pytest.raises(CartctlError):
        share.read()
    assert value(share.read()) > 0
    share.close()


def test_no_database_is_the_drivers_sentence() -> None:
    """A server that is down raises what the judge shows as error."""
    share = ConnectionShare(Postgres("host=127.0.0.1 port=9 dbname=x user=y password=z"))
    with pytest.raises(DatabaseUnreachable):
        share.read()
