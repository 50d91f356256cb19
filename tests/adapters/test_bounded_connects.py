"""Object stores and databases of several hosts that take the connection and say nothing are given up as a whole."""

import socket
import threading

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from cartctl.adapters.object_store import ObjectStore
from cartctl.adapters.postgres import DatabaseUnreachable, Postgres
from cartctl.errors import StepFailed
from tests.adapters.test_http_deadline import talking
from tests.sandbox_fixture import wait_for


def say_nothing(_peer: socket.socket, left: threading.Event) -> None:
    """Keep the connection and wait."""
    left.wait(30)


def test_an_object_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client of fsspec alone would wait for five minutes."""
    monkeypatch.setattr("cartctl.adapters.object_store.REQUEST", 0.5)
    with (
        talking(say_nothing) as (address, left),
        pytest.raises(StepFailed, match="did not respond in time"),
    ):
        ObjectStore(f"http://{address}/snapshots").exists("a")
    left.set()


def test_all_hosts_of_a_database_are_bounded_together(
    empty_database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last host would have responded; the session that it gives too late is not kept."""
    monkeypatch.setattr("cartctl.adapters.postgres.database.CONNECT_LIMIT", 0.5)
    with empty_database.session("test") as connection:
        info = connection.info
        with talking(say_nothing) as (address, left):
            silent, port = address.split(":")
            parts = f"host={silent},{info.host} port={port},{info.port} connect_timeout=2"
            several = Postgres(f"{parts} user={info.user} password={info.password} dbname={info.dbname}")
            with pytest.raises(DatabaseUnreachable, match=r"within 0\.5 s"):
                several.connect("late")
            for thread in threading.enumerate():
                if thread.name == "cartctl request":
                    thread.join(30)
            left.set()
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cartctl late'"
        wait_for(lambda: connection.execute(query).fetchone() == (0,))


class OthersError(Exception):
    """As botocore's NoCredentialsError: neither an OSError nor a ValueError."""


class OthersFiles(AbstractFileSystem):  # type: ignore[misc] # fsspec is not typed
    """A file system of another package, whose client raises a class of its own."""

    protocol = "others"

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Nothing can be looked at."""
        raise OthersError(f"Unable to locate credentials\n for {path}")


def test_an_error_of_the_store_s_own_client_is_no_bug() -> None:
    """Missing credentials and unreachable endpoints of S3 ended with exit 1."""
    fsspec.register_implementation("others", OthersFiles, clobber=True)
    with pytest.raises(StepFailed, match="cannot be used: Unable to locate credentials for ") as failed:
        ObjectStore("others://snapshots").size("a")
    assert "credentials" in failed.value.hint
