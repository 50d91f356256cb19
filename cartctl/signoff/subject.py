"""What is approved: environment, plan, images, migrations and attestations, with one fingerprint over all of it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

Values: TypeAlias = Mapping[str, Any]  # JSON

_SHOWN = 60  # characters of a value in a difference
_PARTS = (  # attribute, what one of its entries is called
    ("environment", "environment"),
    ("images", "image"),
    ("migrations", "migration"),
    ("plan", "plan"),
    ("attestations", "attestation"),
)


@dataclass(frozen=True, slots=True)
class ApprovedImage:
    """An image as it is approved; `digest` is null where the reference has none."""

    ref: str
    digest: str | None

    @classmethod
    def of(cls, ref: str) -> "ApprovedImage":
        """The image of a reference."""
        return cls(ref, ref.partition("@")[2] or None)

    def __str__(self) -> str:
        return self.ref


@dataclass(frozen=True, slots=True)
class ApprovedAttestation:
    """An attestation as it is approved: the value, who attested it, when, and where it can be read."""

    value: int
    name: str
    at: str
    link: str

    def __str__(self) -> str:
        return f"{self.value} ({self.name}, {self.at})"


@dataclass(frozen=True, slots=True)
class ApprovalSubject:
    """What a sign-off approves.

    `environment` says where, `plan` which settings and options decide the steps, `images` has a container by
    `deployment.container`, `migrations` the SHA-256 of a file by its name, `attestations` what was attested by its name.
    """

    environment: Values
    plan: Values
    images: Mapping[str, ApprovedImage]
    migrations: Mapping[str, str]
    attestations: Mapping[str, ApprovedAttestation] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hash of everything."""
        return _hash(asdict(self))

    @property
    def basis(self) -> str:
        """The fingerprint of what an attestation is about: environment, images and migrations."""
        everything = asdict(self)
        return _hash({name: everything[name] for name in ("environment", "images", "migrations")})

    @property
    def movable(self) -> list[str]:
        """The image references without a digest, which may stand for another image tomorrow."""
        return sorted({image.ref for image in self.images.values() if image.digest is None})


def differences(
    approved: ApprovalSubject, current: ApprovalSubject, parts: tuple[str, ...] = ()
) -> list[str]:
    """What has changed since an approval, one clause each; `parts` limits the attributes that are compared. Pure."""
    return [
        clause
        for part, noun in _PARTS
        if not parts or part in parts
        for clause in _compare(noun, getattr(approved, part), getattr(current, part))
    ]


def _compare(noun: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in (*before, *(name for name in after if name not in before)):
        if before.get(name) != after.get(name):
            yield f"{noun} {name} was {_shown(before.get(name))}, is {_shown(after.get(name))}"


def _shown(value: Any) -> str:
    if value in (None, [], {}, ""):
        return "none"
    is_json = isinstance(value, list | dict | bool | float)
    text = json.dumps(value, ensure_ascii=False) if is_json else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def canonical(values: Values) -> bytes:
    """JSON values in canonical form: sorted keys, no spaces, UTF-8. Pure."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _hash(values: Values) -> str:
    return f"sha256:{hashlib.sha256(canonical(values)).hexdigest()}"
