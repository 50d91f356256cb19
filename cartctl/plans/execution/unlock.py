"""Who holds the lock, and ending a holder that hangs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.engine.lock import find_holder, whoami
from cartctl.engine.model import Event
from cartctl.errors import Locked
from cartctl.plans.execution.journals import open_journals
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class Unlocked:
    """Who held the lock until it was released by force; null: nobody did."""

    kind: ClassVar[str] = "unlocked"

    former: str | None

    def __str__(self) -> str:
        return f"The lock of {self.former} was ended by force." if self.former else "Nobody holds the lock."


def unlock(ports: Ports, *, force: bool) -> Unlocked:
    """What was found, or done. Raises Locked, naming the holder, without `force`."""
    with open_journals(ports, read_only=not force) as journals, ports.state.session("unlock") as connection:
        holder = find_holder(connection, journals.replicated)
        if holder is None:
            return Unlocked(None)
        if not force:
            raise Locked(f"The lock is held by {holder}.", hint="If it hangs: cartctl unlock --force")
        journals.replicated.append(
            Event(holder.run, datetime.now(UTC), "lock", "forced", {"backend": holder.backend, **whoami()})
        )
        with effect("lock.force"):
            connection.execute("SELECT pg_terminate_backend(%s)", (holder.backend,))
        return Unlocked(str(holder))
