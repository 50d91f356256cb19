"""The identity of a server: its system identifier and its data directory."""

import sys
from dataclasses import dataclass
from pathlib import Path

from cartctl.adapters.postgres.settings import Connection
from cartctl.errors import StepFailed

CONTROL = Path("global") / "pg_control"  # begins with the system identifier, in the machine's byte order
_QUERY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
       CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """A server by its system identifier and data directory; None where a role may not know the directory."""

    system: str
    data: str | None

    def same(self, other: "Identity") -> bool:
        """Whether both are one server. A copy has the same identifier, so the directories count where both are known."""
        if None in {self.data, other.data}:
            return self.system == other.system
        return (
            self.system == other.system and Path(str(self.data)).resolve() == Path(str(other.data)).resolve()
        )


def identity_of(connection: Connection) -> Identity:
    """The identity of the server that responds. Read-only."""
    system, data = connection.execute(_QUERY).fetchone() or ("", None)
    return Identity(system, data)


def read_identity(data: Path) -> Identity:
    """The identity of the server whose data directory this is. Read-only. Raises StepFailed when there is none."""
    try:
        with (data / CONTROL).open("rb") as stream:
            number = int.from_bytes(stream.read(8), sys.byteorder)
    except OSError as error:
        raise StepFailed(
            f"{data / CONTROL} cannot be read: {error.strerror}.",
            hint="Check that it is the data directory of a PostgreSQL server, and that it belongs to you.",
        ) from error
    return Identity(str(number), str(data))
