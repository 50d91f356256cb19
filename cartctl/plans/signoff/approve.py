"""Approve a request in a role: here, or in a file for the machine that has the database."""

from collections.abc import Sequence

from cartctl.config.keys import did_you_mean
from cartctl.config.model.signoff import Signoff
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.errors import Refused, UsageError
from cartctl.inputs import MALFORMED, InvalidInput
from cartctl.plans.deploy.approval_subject import approval_subject
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.signoffs import open_pool, verifier
from cartctl.plans.signoff.exchange_files import write_records
from cartctl.plans.signoff.signer import Signer, find_name, signed
from cartctl.ports import Ports
from cartctl.signoff.judgement import (
    Duplicate,
    Outdated,
    attach,
    judge_sheet,
    require_one_role,
    require_role,
    valid_attestations,
)
from cartctl.signoff.pool import Pool, to_event
from cartctl.signoff.records import Approval, Record, Recorded, SignoffRequest, now
from cartctl.signoff.subject import differences


def options_of(request: SignoffRequest | None) -> DeployOptions:
    """The deployment's options of a request; the default ones without. Raises InvalidInput."""
    try:
        return DeployOptions.from_json(request.options) if request else DeployOptions()
    except MALFORMED as wrong:
        raise InvalidInput("the request has invalid options") from wrong


def newest_options(ports: Ports) -> DeployOptions:
    """The options of the newest request; the default ones where nothing was requested. Read-only."""
    with open_pool(ports) as (_, pool):
        return options_of(pool.latest)


def find_request(ports: Ports, request: SignoffRequest | None) -> SignoffRequest:
    """The given request, or the newest one of the journal, if this configuration deploys the same images there.

    Raises Refused without a request or for one of another environment, Outdated naming what has changed.
    """
    if request is None:
        with open_pool(ports) as (_, pool):
            request = pool.latest
    if request is None:
        raise Refused(f"No sign-off was requested for {ports.env.name}.", hint="cartctl signoff request FILE")
    require_environment(ports, "The request", request.environment)
    current = approval_subject(ports, options_of(request), files=False)
    _require_unchanged(differences(request.subject, current, ("environment", "images")))
    return request


def require_environment(ports: Ports, noun: str, environment: str) -> None:
    """Raise Refused for a request or record of another environment."""
    if environment != ports.env.name:
        raise Refused(
            f"{noun} is for {environment}, not for {ports.env.name}.", hint=f"Use --env {environment}."
        )


def approve(ports: Ports, request: SignoffRequest, role: str, signer: Signer) -> Approval:
    """Approve a request in a role, in the journal or in a file.

    Raises UsageError for an unknown role, NotCounted naming why the approval would not count, UnusableKey for a key that
    cannot sign; then nothing is recorded.
    """
    policy = ports.env.signoff
    require_known_role(role, policy)
    name = find_name(policy, signer, role)
    require_role(role, name, policy)
    approval = Approval(ports.env.name, role, name, now(), request.fingerprint)
    if signer.to is None:
        with open_pool(ports) as (_, pool):
            require_current(request, pool, policy)
            refuse_duplicate(approval, request, pool, policy)
    approval = signed(approval, policy, signer.key)
    if signer.to is None:
        record(ports, request, [approval])
    else:
        write_records(Recorded.of([approval]), signer.to)
    return approval


def record(ports: Ports, request: SignoffRequest, approvals: Sequence[Approval]) -> None:
    """Record valid approvals of a request, unless the role has approved meanwhile. Raises NotCounted."""
    policy = ports.env.signoff
    with open_pool(ports) as (journal, pool):
        require_current(request, pool, policy)
        accepted: list[Approval] = []
        for approval in approvals:
            refuse_duplicate(approval, request, pool, policy, accepted)
            accepted.append(approval)
        append(journal, accepted)


def append(journal: PostgresJournal, records: Sequence[Record]) -> None:
    """Add records to the journal."""
    journal.prepare()
    for one in records:
        journal.append(to_event(one))


def require_current(request: SignoffRequest, pool: Pool, policy: Signoff) -> None:
    """Raise Outdated for a request that a newer request or attestation has replaced."""
    latest = pool.latest
    if latest is not None and latest.fingerprint != request.fingerprint:
        changes = differences(request.subject, latest.subject)
        _require_unchanged(changes or ["a newer request has replaced it"])
    attested = valid_attestations(request.subject, pool, policy, verifier(policy))
    _require_unchanged(differences(request.subject, attach(request.subject, attested), ("attestations",)))


def refuse_duplicate(
    approval: Approval,
    request: SignoffRequest,
    pool: Pool,
    policy: Signoff,
    others: Sequence[Approval] = (),
) -> None:
    """Raise Duplicate where the role has approved already, and RoleNotHeld where the name has in another role.

    `others` are approvals that are about to be recorded.
    """
    sheet = judge_sheet(request.subject, pool, policy, verifier(policy))
    valid = {(row.role, row.name, row.at) for row in sheet.rows if row.counts}
    counted = [*(one for one in pool.approvals if (one.role, one.name, one.at) in valid), *others]
    for one in counted:
        if one.role == approval.role:
            raise Duplicate(
                f"{one.role} has approved already: {one.name}, {one.at:%Y-%m-%d %H:%M} UTC.",
                hint="See: cartctl signoff list",
            )
    require_one_role(approval, counted, policy)


def require_known_role(role: str, policy: Signoff) -> None:
    """Raise UsageError, with the nearest role, for one that is not required."""
    if role not in policy.roles:
        raise UsageError(
            f"Unknown role '{role[:100]}'{did_you_mean(role, policy.roles)}",
            hint=f"Roles: {', '.join(policy.roles) or 'none; set signoff.roles'}.",
        )


def _require_unchanged(changes: Sequence[str]) -> None:
    if changes:
        raise Outdated(
            f"The request is outdated: {'; '.join(changes)}.",
            hint="Request again: cartctl signoff request FILE",
        )
