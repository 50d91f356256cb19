"""The history of a cart, from the times in its row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from cartctl.cart import CartStatus


class Event(NamedTuple):
    """An event at a time."""

    at: datetime
    text: str
    kind: str  # style of its mark: info | warn | good | mute


_RECORDED = (
    ("createdAt", "Cart created", "info"),
    ("abandonedAt", "Abandoned", "warn"),
    ("recoveryEmailSentAt", "Recovery e-mail sent", "info"),
    ("mergedAt", "Merged into another cart", "mute"),
    ("convertedAt", "Order placed", "good"),
)


def history(cart: Mapping[str, Any]) -> list[Event]:
    """The events of a cart's row, the latest first."""
    events = [Event(cart[name], text, kind) for name, text, kind in _RECORDED if cart[name] is not None]
    if cart["recoveryClicks"]:
        times = "once" if cart["recoveryClicks"] == 1 else f"{cart['recoveryClicks']} times"
        events.append(Event(cart["lastActivityAt"], f"Recovery link used {times}", "good"))
    if cart["status"] == CartStatus.EXPIRED and cart["expiresAt"] is not None:
        events.append(Event(cart["expiresAt"], "Expired", "mute"))
    if (cancelled := _cancelled(cart["metadata"])) is not None:
        events.append(Event(cancelled, "Order cancelled", "warn"))
    if cart["lastActivityAt"] not in {event.at for event in events}:
        events.append(Event(cart["lastActivityAt"], "Last change by the shopper", "mute"))
    return sorted(events, reverse=True, key=lambda event: event.at)


def _cancelled(metadata: Any) -> datetime | None:
    text = metadata.get("cancelledAt") if isinstance(metadata, dict) else None
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=None) if text else None
    except ValueError:
        return None
