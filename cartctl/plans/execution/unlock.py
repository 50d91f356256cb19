"""Show who holds the lock, and release a stuck lock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.engine.events import LOCK, Event, EventKind
from cartctl.engine.lock import find_holder, whoami
from cartctl.errors import Locked
from cartctl.plans.execution.journals import open_journals
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The holder of the lock that was released by force; null when the lock was free."""

    kind: ClassVar[str] = "unlocked"

    former: str | None

    def __str__(self) -> str:
        return f"Released the lock of {self.former}." if self.former else "The lock is not held."


def unlock(ports: Ports, *, force: bool) -> Unlocked:
    """Release a held lock with `force`. Raises Locked, naming the holder, without it."""
    with open_journals(ports, read_only=not force) as journals, ports.state.session("unlock") as connection:
        holder = find_holder(connection, journals.replicated)
        if holder is None:
            return Unlocked(None)
        if not force:
            raise Locked(f"The lock is held by {holder}.", hint="If it is stuck: cartctl unlock --force")
        journals.replicated.append(
            Event(
                holder.run, datetime.now(UTC), LOCK, EventKind.FORCED, {"backend": holder.backend, **whoami()}
            )
        )
        with effect("lock.force"):
            connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        return Unlocked(str(holder))
