"""The records of a sign-off: requests, approvals and attestations, as the journal and exchanged files hold them.

They are untrusted input: anyone who can write to the journal or send a file could have created them. What counts is decided in
`cartctl.signoff.judgement`, from the configuration and the signature.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter

from cartctl.inputs import MALFORMED, InvalidInput
from cartctl.signoff.subject import ApprovalSubject, ApprovedAttestation, Values, canonical

VERSION = 1
NAMESPACE = "cartctl-signoff"  # of the SSH signatures: one made for git or a file is not an approval
Text: TypeAlias = Annotated[str, Field(max_length=2000)]
Fingerprint: TypeAlias = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Armored: TypeAlias = Annotated[str, Field(max_length=20_000)]
Time: TypeAlias = Annotated[
    AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC).replace(microsecond=0))
]
T = TypeVar("T")


def now() -> datetime:
    """The time of a record: UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval in one role; `signature` is an armored SSH signature, empty without one."""

    kind: ClassVar[str] = "signoff"

    environment: Text
    role: Text
    name: Text
    at: Time
    fingerprint: Fingerprint
    signature: Armored = ""

    @property
    def message(self) -> bytes:
        """What the signature is over: everything else."""
        return _message(self.kind, asdict(self))

    def __str__(self) -> str:
        return f"{self.role}: {self.name}"


@dataclass(frozen=True, slots=True)
class Attestation:
    """What one person attests: `subject` (a name in `signoff.attestations`) has this value, as `link` shows.

    `fingerprint` is the basis: environment, images and migrations.
    """

    kind: ClassVar[str] = "attestation"

    environment: Text
    subject: Text
    value: int
    link: Text
    name: Text
    at: Time
    fingerprint: Fingerprint
    signature: Armored = ""

    @property
    def message(self) -> bytes:
        """What the signature is over: everything else."""
        return _message(self.kind, asdict(self))

    @property
    def approved(self) -> ApprovedAttestation:
        """What a sign-off approves of it."""
        return ApprovedAttestation(self.value, self.name, _text(self.at), self.link)

    def __str__(self) -> str:
        return f"{self.subject} = {self.value}: {self.name}"


Record: TypeAlias = Approval | Attestation


@dataclass(frozen=True, slots=True)
class Recorded:
    """Approvals and attestations that a command has recorded, in the journal or in a file."""

    kind: ClassVar[str] = "signoff_records"

    signoffs: tuple[Approval, ...] = ()
    attestations: tuple[Attestation, ...] = ()

    @property
    def all(self) -> tuple[Record, ...]:
        """Records of both kinds."""
        return (*self.signoffs, *self.attestations)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Recorded":
        """Build from records of both kinds."""
        every = tuple(records)
        approvals = tuple(one for one in every if isinstance(one, Approval))
        return cls(approvals, tuple(one for one in every if isinstance(one, Attestation)))


@dataclass(frozen=True, slots=True)
class SignoffRequest:
    """What is to be approved: the subject with its fingerprint, the plan's steps, the checks' results, and by whom.

    `options` are those of the deployment, as its journal records them.
    """

    kind: ClassVar[str] = "signoff_request"

    environment: Text
    fingerprint: Fingerprint
    subject: ApprovalSubject
    roles: tuple[Text, ...]
    name: Text
    at: Time
    steps: tuple[Text, ...] = ()
    checks: tuple[Values, ...] = ()
    options: Values = field(default_factory=dict)


def to_json(record: Record | Recorded | SignoffRequest) -> dict[str, Any]:
    """A record as JSON values, for the journal and for files."""
    values: dict[str, Any] = TypeAdapter(type(record)).dump_python(record, mode="json")
    return values


def from_json(kind: type[T], values: Any) -> T:
    """A record from JSON values. Raises InvalidInput naming the first invalid field."""
    try:
        fields = {name: value for name, value in dict(values).items() if name not in {"kind", "version"}}
        record = TypeAdapter(kind).validate_python(fields)
        if isinstance(record, SignoffRequest):
            _require_own_fingerprint(record)
    except InvalidInput:
        raise
    except MALFORMED as wrong:
        errors: list[dict[str, Any]] = getattr(wrong, "errors", list)()
        where = ".".join(map(str, errors[0]["loc"])) if errors else ""
        raise InvalidInput(
            f"the {_name(kind)} has an invalid field{f': {where}' if where else ''}"
        ) from wrong
    return record


def _require_own_fingerprint(request: SignoffRequest) -> None:
    if request.subject.fingerprint != request.fingerprint:
        raise InvalidInput("the fingerprint does not match the rest of the request: it was modified")


def _name(kind: type[Any]) -> str:
    return str(getattr(kind, "kind", "record")).replace("_", " ").replace("signoff", "sign-off")


def _message(kind: str, fields: dict[str, Any]) -> bytes:
    content = {name: value for name, value in fields.items() if name != "signature"}
    return canonical({**content, "at": _text(fields["at"]), "kind": kind, "version": VERSION}) + b"\n"


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
