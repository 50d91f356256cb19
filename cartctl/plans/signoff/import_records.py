"""Record approvals and attestations that were made on other machines."""

from collections.abc import Sequence

from cartctl.plans.deploy.approval_subject import approval_subject
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.signoffs import open_pool, verifier
from cartctl.plans.signoff.approve import (
    append,
    find_request,
    options_of,
    record,
    require_environment,
    require_known_role,
)
from cartctl.plans.signoff.attest import require_known
from cartctl.ports import Ports
from cartctl.signoff.judgement import Outdated, require_attester, require_signed, require_valid
from cartctl.signoff.records import Approval, Attestation, Recorded


def import_records(ports: Ports, options: DeployOptions, records: Recorded) -> None:
    """Record approvals of the newest request, and attestations for a deployment with these options; all or none.

    Raises NotCounted naming the first one that does not count, Refused for one of another environment, UsageError for an
    unknown role or attestation.
    """
    for one in records.all:
        require_environment(ports, str(one), one.environment)
    if records.attestations:
        _require_acceptable(ports, options, records.attestations)
    if records.signoffs:
        _record_approvals(ports, records.signoffs)
    with open_pool(ports) as (journal, _):
        append(journal, records.attestations)


def _record_approvals(ports: Ports, approvals: Sequence[Approval]) -> None:
    policy, request = ports.env.signoff, find_request(ports, None)
    with open_pool(ports) as (_, pool):
        for approval in approvals:
            require_known_role(approval.role, policy)
            require_valid(approval, request.subject, pool, policy, verifier(policy))
    record(ports, request, approvals)


def _require_acceptable(ports: Ports, options: DeployOptions, attestations: Sequence[Attestation]) -> None:
    """Raise UsageError or NotCounted unless every attestation counts for these images and migrations."""
    policy = ports.env.signoff
    with open_pool(ports) as (_, pool):
        chosen = options if options.images else options_of(pool.latest)
    basis = approval_subject(ports, chosen).basis
    require_known((one.subject for one in attestations), policy)
    for one in attestations:
        if one.fingerprint != basis:
            raise Outdated(
                f"The attestation {one} is outdated: it is about other images or migrations.",
                hint="Attest again: cartctl signoff attest",
            )
        require_attester(one.name, policy)
        require_signed(one, policy, verifier(policy))
