"""The section about notifications: notifiers' addresses, and the events that each receives."""

from typing import Literal

from pydantic import Field

from cartctl.config.values import Secret

NotifyEvent = Literal["window", "phase", "trigger", "rolled_back", "finished"]
DEFAULT_EVENTS: tuple[NotifyEvent, ...] = ("window", "trigger", "rolled_back", "finished")


class Recipient(Secret):
    """A notifier's address as a secret, with the events that it receives."""

    on: tuple[NotifyEvent, ...] = Field(
        default=DEFAULT_EVENTS,
        min_length=1,
        description=(
            "Events to send: window (the run begins), phase (a phase starts), trigger (a rollback trigger is pending), "
            "rolled_back, finished (any other outcome)."
        ),
        examples=[["rolled_back", "trigger"]],
    )

    def receives(self, event: NotifyEvent) -> bool:
        """Whether this event is sent to it."""
        return event in self.on

    def __str__(self) -> str:
        return super().__str__() + ("" if self.on == DEFAULT_EVENTS else f" on {' '.join(self.on)}")
