"""The requests, approvals and attestations of an environment, folded from the journal's events. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cartctl.engine.events import Event, EventKind
from cartctl.inputs import InvalidInput
from cartctl.signoff.records import Approval, Attestation, Record, SignoffRequest, from_json, to_json
from cartctl.signoff.subject import ApprovalSubject

POOL = (
    "signoff"  # the run id under which the journal holds them; it never starts, so it is not in the history
)
R = TypeVar("R", Approval, Attestation, SignoffRequest)


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything about one environment, oldest first; `unreadable` are events that are not valid records."""

    requests: tuple[SignoffRequest, ...] = ()
    approvals: tuple[Approval, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    unreadable: int = 0

    @property
    def latest(self) -> SignoffRequest | None:
        """The newest request."""
        return self.requests[-1] if self.requests else None

    def subject_of(self, fingerprint: str) -> ApprovalSubject | None:
        """What a fingerprint stands for, as far as it was requested here."""
        return next((one.subject for one in self.requests if one.fingerprint == fingerprint), None)


def read_pool(events: Iterable[Event], environment: str) -> Pool:
    """Fold the events of the run id POOL; those of other environments do not count."""
    requests: list[SignoffRequest] = []
    approvals: list[Approval] = []
    attestations: list[Attestation] = []
    unreadable = 0
    for event in events:
        try:
            match event.event:
                case EventKind.REQUESTED:
                    _collect(requests, from_json(SignoffRequest, event.data), environment)
                case EventKind.SIGNED:
                    _collect(approvals, from_json(Approval, event.data), environment)
                case EventKind.ATTESTED:
                    _collect(attestations, from_json(Attestation, event.data), environment)
        except InvalidInput:
            unreadable += 1
    return Pool(tuple(requests), tuple(approvals), tuple(attestations), unreadable)


def _collect(records: list[R], record: R, environment: str) -> None:
    if record.environment == environment:
        records.append(record)


def to_event(record: Record | SignoffRequest) -> Event:
    """A record as the journal holds it."""
    match record:
        case Approval():
            kind, key = EventKind.SIGNED, f"signoff.{record.role}"
        case Attestation():
            kind, key = EventKind.ATTESTED, f"attestation.{record.subject}"
        case SignoffRequest():
            kind, key = EventKind.REQUESTED, "signoff.request"
    return Event(POOL, datetime.now(UTC), key, kind, to_json(record))
