"""The progress of a seeding, in its own schema that exists only while one is unfinished.

It is written in the transaction of the rows it counts, so that an interrupted seeding continues exactly after them.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from cartctl.adapters.postgres import Connection
from cartctl.errors import Refused

_LOCK = 7_235_017_290  # of pg_advisory_lock: one seeding at a time


@dataclass(frozen=True, slots=True)
class SeedRequest:
    """The request of a seeding; `until` is in UTC, without a zone."""

    carts: int
    companies: int
    seed: int
    until: datetime


@dataclass(frozen=True, slots=True)
class SeedingState:
    """What is committed of a seeding: parts of the carts with their lines, and sessions; `indexes` are to be created at the end."""

    request: SeedRequest
    indexes: tuple[str, ...]
    parts: int = 0
    items: int = 0
    sessions: int = 0

    def after(self, connection: Connection, **changed: Any) -> "SeedingState":
        """The state with some fields changed, written; the caller commits."""
        state = replace(self, **changed)
        content = json.dumps(asdict(state), default=datetime.isoformat)
        connection.execute("UPDATE sandbox_seeding.state SET content = %s", (content,))
        return state


def refuse_another(connection: Connection) -> None:
    """Take the lock that one seeding at a time has, until the session ends. Raises Refused while another has it."""
    [mine] = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone() or [False]
    if not mine:
        raise Refused("This sandbox is already being seeded.", hint="Wait for it to finish, or stop it.")


def read_state(connection: Connection) -> SeedingState | None:
    """The state of an unfinished seeding; None without one. Read-only."""
    [there] = connection.execute("SELECT to_regclass(%s)", ("sandbox_seeding.state",)).fetchone() or [None]
    if there is None:
        return None
    row: Any = connection.execute("SELECT content FROM sandbox_seeding.state").fetchone()
    content = dict(row[0])
    request = content.pop("request")
    until = datetime.fromisoformat(request.pop("until"))
    return SeedingState(SeedRequest(until=until, **request), tuple(content.pop("indexes")), **content)


def write_new(connection: Connection, request: SeedRequest, indexes: tuple[str, ...]) -> SeedingState:
    """Begin a seeding; the caller commits."""
    forget(connection)
    connection.execute("CREATE SCHEMA sandbox_seeding")
    connection.execute("CREATE TABLE sandbox_seeding.state (content jsonb NOT NULL)")
    connection.execute("INSERT INTO sandbox_seeding.state VALUES ('{}')")
    return SeedingState(request, indexes).after(connection)


def forget(connection: Connection) -> None:
    """Remove the state: the seeding is finished, or starts over; the caller commits."""
    connection.execute("DROP TABLE IF EXISTS sandbox_seeding.state")
    connection.execute("DROP SCHEMA IF EXISTS sandbox_seeding")
