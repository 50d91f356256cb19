"""The sign-offs of an environment, as its journal holds them, and whether they count."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cartctl.adapters.openssh.signatures import InvalidSignature
from cartctl.adapters.openssh.signatures import verify as verify_signature
from cartctl.checks.preflight.approval.signoffs import check_attestations, check_signoffs
from cartctl.config.model.signoff import Signoff
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.engine.model import Checks
from cartctl.plans.deploy.approval_subject import approval_subject
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.ports import Ports
from cartctl.signoff.judgement import ForeignSignature, SignoffSheet, Verify, judge_sheet
from cartctl.signoff.pool import POOL, Pool, read_pool
from cartctl.signoff.records import NAMESPACE


@contextmanager
def open_pool(ports: Ports) -> Iterator[tuple[PostgresJournal, Pool]]:
    """The journal and the environment's records in it. Raises DatabaseUnreachable and DamagedJournal."""
    with closing(PostgresJournal(ports.state)) as journal:
        yield journal, read_pool(journal.events(POOL), ports.env.name)


def current_sheet(ports: Ports, options: DeployOptions) -> SignoffSheet:
    """The sign-off table of a deployment with these options. Read-only."""
    subject, policy = approval_subject(ports, options), ports.env.signoff
    with open_pool(ports) as (_, pool):
        return judge_sheet(subject, pool, policy, verifier(policy))


def verify_signoffs(ports: Ports, options: DeployOptions) -> Checks:
    """The checks of attestations and sign-offs alone, as the preflight has them. Read-only."""
    policy, sheet = ports.env.signoff, current_sheet(ports, options)
    attestations = check_attestations(policy, lambda: sheet)
    return Checks.of((*attestations, *check_signoffs(policy, lambda: sheet)))


def verifier(policy: Signoff) -> Verify:
    """Verifies signatures against the configuration's allowed signers."""

    def verify(message: bytes, signature: str, name: str) -> str:
        allowed = policy.allowed_signers
        if allowed is None:
            return ""
        try:
            return verify_signature(message, signature, signer=name, allowed=allowed, namespace=NAMESPACE)
        except InvalidSignature as wrong:
            raise ForeignSignature(
                f"The signature is not one of {name} in {allowed}: {wrong.message.rstrip('.')}.",
                hint="Sign with a key that the file lists for that name.",
            ) from wrong

    return verify
