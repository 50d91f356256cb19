"""The servers that tests run against."""

import pytest

from tests.services import Server, require


def test_each_server_is_the_version_it_says(server: Server) -> None:
    """A fixture's server answers with its own major version and makes databases with the platform's tables."""
    database = server.create_platform()
    with database.session("tests") as connection:
        assert connection.info.server_version // 10000 == server.version
        assert connection.execute("SELECT count(*) FROM companies").fetchone() == (0,)
    server.drop(database)


def test_a_missing_program_fails_where_everything_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not installed skips a test, and fails it under CARTCTL_REQUIRE_SERVICES."""
    monkeypatch.delenv("CARTCTL_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception):
        require("no-such-program")
    monkeypatch.setenv("CARTCTL_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception):
        require("no-such-program")
