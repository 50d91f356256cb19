"""Whether an approval or an attestation counts, and why not. Pure but for the given verification of signatures."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, TypeAlias

from cartctl.config.model.signoff import Signoff
from cartctl.errors import Refused
from cartctl.signoff.pool import Pool
from cartctl.signoff.records import Approval, Attestation, Record
from cartctl.signoff.subject import ApprovalSubject, differences

Verify: TypeAlias = Callable[
    [bytes, str, str], str
]  # message, signature, name → the key; raises ForeignSignature


class NotCounted(Refused):
    """An approval or attestation that does not count, with the reason."""

    code = "not_counted"


class RoleNotHeld(NotCounted):
    """The signer does not have the role."""

    code = "role_not_held"


class Outdated(NotCounted):
    """What was approved is not what would be deployed."""

    code = "outdated_signoff"


class Duplicate(NotCounted):
    """The role is approved already."""

    code = "duplicate_signoff"


class ForeignSignature(NotCounted):
    """A signature by a key that is not one of the name's allowed ones, or over something else."""

    code = "foreign_signature"


class Unsigned(NotCounted):
    """Without a signature where signatures are required."""

    code = "unsigned"


@dataclass(frozen=True, slots=True)
class SignoffRow:
    """One role of the sign-off table: who approved, when, and with which key.

    `name`, `at` and `key` are those of the approval that counts, or of the newest one that does not, with the `reason`.
    Without any approval `name` is empty. `key` is the key's fingerprint, empty for an approval without signature.
    """

    role: str
    counts: bool
    name: str = ""
    at: datetime | None = None
    key: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SignoffSheet:
    """The sign-off table of what would be deployed now: one row for each required role."""

    kind: ClassVar[str] = "signoffs"
    shown: ClassVar[tuple[str, ...]] = ("complete",)

    environment: str
    fingerprint: str
    rows: tuple[SignoffRow, ...]
    attestations: tuple[Attestation, ...] = ()
    requested: bool = False  # whether the newest request is about exactly this
    outdated: tuple[str, ...] = ()  # what has changed since the newest request

    @property
    def complete(self) -> bool:
        """Whether every required role has approved."""
        return all(row.counts for row in self.rows)


def judge_sheet(subject: ApprovalSubject, pool: Pool, policy: Signoff, verify: Verify) -> SignoffSheet:
    """The sign-off table of a subject, whose attestations are those of the pool that count."""
    attested = valid_attestations(subject, pool, policy, verify)
    subject = attach(subject, attested)
    counted: list[Approval] = []
    rows = tuple(_row(role, subject, pool, policy, verify, counted) for role in policy.roles)
    latest = pool.latest
    return SignoffSheet(
        environment=str(subject.environment["name"]),
        fingerprint=subject.fingerprint,
        rows=rows,
        attestations=tuple(attested.values()),
        requested=latest is not None and latest.fingerprint == subject.fingerprint,
        outdated=tuple(differences(latest.subject, subject)) if latest else (),
    )


def attach(subject: ApprovalSubject, attestations: Mapping[str, Attestation]) -> ApprovalSubject:
    """The subject with these attestations."""
    return replace(subject, attestations={name: one.approved for name, one in attestations.items()})


def valid_attestations(
    subject: ApprovalSubject, pool: Pool, policy: Signoff, verify: Verify
) -> dict[str, Attestation]:
    """By configured name, the newest attestation about these images and migrations, signed where that is required."""
    valid: dict[str, Attestation] = {}
    for one in reversed(pool.attestations):
        open_name = one.subject in policy.attestations and one.subject not in valid
        if open_name and one.fingerprint == subject.basis:
            with suppress(NotCounted):
                require_attester(one.name, policy)
                require_signed(one, policy, verify)
                valid[one.subject] = one
    return {name: valid[name] for name in policy.attestations if name in valid}


def require_attester(name: str, policy: Signoff) -> None:
    """Raise RoleNotHeld for a name that is not among the configured signers."""
    if policy.signers and name not in policy.signers:
        raise RoleNotHeld(f"{name} is not in signoff.signers.", hint=f"Signers: {', '.join(policy.signers)}.")


def _row(
    role: str, subject: ApprovalSubject, pool: Pool, policy: Signoff, verify: Verify, counted: list[Approval]
) -> SignoffRow:
    rejected = SignoffRow(role, counts=False, reason="not approved")
    for approval in (one for one in pool.approvals if one.role == role):
        try:
            key = require_valid(approval, subject, pool, policy, verify)
            require_one_role(approval, counted, policy)
        except NotCounted as error:
            reason = error.message.rstrip(".")
            rejected = SignoffRow(role, counts=False, name=approval.name, at=approval.at, reason=reason)
        else:
            counted.append(approval)
            return SignoffRow(role, counts=True, name=approval.name, at=approval.at, key=key)
    return rejected


def require_valid(
    approval: Approval, subject: ApprovalSubject, pool: Pool, policy: Signoff, verify: Verify
) -> str:
    """The key of an approval that counts, empty without signature. Raises NotCounted."""
    require_role(approval.role, approval.name, policy)
    if approval.fingerprint != subject.fingerprint:
        raise _outdated(approval, subject, pool)
    return require_signed(approval, policy, verify)


def require_role(role: str, name: str, policy: Signoff) -> None:
    """Raise RoleNotHeld unless the configuration lets this name approve in this role."""
    if role not in policy.roles:
        raise RoleNotHeld(f"{role} is not a required role.", hint=f"Roles: {', '.join(policy.roles)}.")
    if policy.signers and role not in policy.signers.get(name, ()):
        own = ", ".join(policy.signers.get(name, ())) or "none"
        raise RoleNotHeld(
            f"{name} does not have the role {role} (roles: {own}).",
            hint="See signoff.signers in the configuration.",
        )


def require_signed(record: Record, policy: Signoff, verify: Verify) -> str:
    """The key of a record's valid signature; empty where no signature is required and none is given."""
    if policy.allowed_signers is None and not record.signature:
        return ""
    if not record.signature:
        raise Unsigned(
            f"The {_noun(record)} of {record.name} is not signed, and signoff.allowed_signers requires it.",
            hint="Use --key FILE.",
        )
    if policy.allowed_signers is None:
        return ""  # nobody's key is known, so that the signature proves nothing
    return verify(record.message, record.signature, record.name)


def require_one_role(approval: Approval, others: Iterable[Approval], policy: Signoff) -> None:
    """Raise RoleNotHeld for a second role of one name, where no `signoff.signers` says that it has both."""
    role = next((one.role for one in others if one.name == approval.name and one.role != approval.role), None)
    if role is not None and not policy.signers:
        raise RoleNotHeld(
            f"{approval.name} has approved as {role}; without signoff.signers, nobody may approve in two roles.",
            hint="Set signoff.signers to the roles of each person.",
        )


def _outdated(approval: Approval, subject: ApprovalSubject, pool: Pool) -> Outdated:
    approved = pool.subject_of(approval.fingerprint)
    changes = differences(approved, subject) if approved else []
    return Outdated(
        f"The sign-off of {approval.name} as {approval.role} is outdated: {'; '.join(changes) or 'it approves something else'}.",
        hint="Request and approve again: cartctl signoff request FILE",
    )


def _noun(record: Record) -> str:
    return "sign-off" if isinstance(record, Approval) else "attestation"
