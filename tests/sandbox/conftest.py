"""The sandbox that these tests look at."""

from tests.sandbox_fixture import sandbox, sandbox_session

__all__ = ["sandbox", "sandbox_session"]
