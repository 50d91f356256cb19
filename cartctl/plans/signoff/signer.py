"""Who signs: the name that the configuration knows for a key, and the signature."""

import getpass
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from cartctl.adapters.openssh.signatures import key_fingerprint, names_of, sign
from cartctl.config.model.signoff import Signoff
from cartctl.errors import UsageError
from cartctl.plans.deploy.signoffs import verifier
from cartctl.signoff.judgement import ForeignSignature, Unsigned, require_signed
from cartctl.signoff.records import NAMESPACE, Approval, Attestation

R = TypeVar("R", Approval, Attestation)
_PATTERN = frozenset("*?!")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs and where the result goes: a key file, a name, and a file instead of the journal."""

    key: Path | None = None
    name: str | None = None
    to: Path | None = None


def find_name(policy: Signoff, signer: Signer, role: str | None = None) -> str:
    """The name under which somebody signs: the given one, the one of the key, or the user's.

    Raises Unsigned where a key is required, ForeignSignature for a key that is not allowed, UsageError where the key has
    several names.
    """
    if policy.allowed_signers is None:
        return signer.name or getpass.getuser()
    if signer.key is None:
        raise Unsigned(
            "Only signed approvals count: signoff.allowed_signers is configured.", hint="Use --key FILE."
        )
    fingerprint = key_fingerprint(signer.key)
    names = names_of(fingerprint, policy.allowed_signers)
    if not names:
        raise ForeignSignature(
            f"The key {signer.key} ({fingerprint}) is not in {policy.allowed_signers}.",
            hint="Add its public key there, or sign with an allowed key.",
        )
    if signer.name is not None:
        return signer.name  # whether it is one of the key's, also by a pattern, ssh-keygen decides
    return _only_name(policy, names, role)


def _only_name(policy: Signoff, names: list[str], role: str | None) -> str:
    plain = [name for name in names if not _PATTERN & set(name)]
    configured = [name for name in plain if name in policy.signers]
    in_role = [name for name in configured if role is not None and role in policy.signers[name]]
    for candidates in (in_role, configured, plain):
        if len(candidates) == 1:
            return candidates[0]
    raise UsageError(f"The key has several names: {', '.join(names)}.", hint="Choose one with --name.")


def signed(record: R, policy: Signoff, key: Path | None) -> R:
    """The record with its signature, verified as everybody else will. Raises UnusableKey and NotCounted."""
    complete = record if key is None else replace(record, signature=sign(record.message, key, NAMESPACE))
    require_signed(complete, policy, verifier(policy))
    return complete
