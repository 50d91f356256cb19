"""The sandbox that the commands are tried on."""

from tests.sandbox_fixture import sandbox, sandbox_session

__all__ = ["sandbox", "sandbox_session"]
