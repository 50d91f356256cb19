"""Changes are tried on a real sandbox."""

from tests.sandbox_fixture import sandbox, sandbox_session

__all__ = ["sandbox", "sandbox_session"]
