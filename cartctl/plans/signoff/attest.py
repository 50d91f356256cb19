"""Attest values that no check can measure, for the images and migrations of a deployment."""

from collections.abc import Iterable, Mapping, Sequence

from cartctl.config.keys import did_you_mean
from cartctl.config.model.signoff import Signoff
from cartctl.errors import UsageError
from cartctl.plans.deploy.approval_subject import approval_subject
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.signoffs import open_pool
from cartctl.plans.signoff.approve import append
from cartctl.plans.signoff.exchange_files import write_records
from cartctl.plans.signoff.signer import Signer, find_name, signed
from cartctl.ports import Ports
from cartctl.redaction import contains_secret
from cartctl.signoff.judgement import require_attester
from cartctl.signoff.records import Attestation, Recorded, now

LINK_CHARACTERS = 2000  # characters of a link


def parse_values(given: Sequence[str]) -> dict[str, int]:
    """NAME=NUMBER of the command line. Raises UsageError."""
    values = {}
    for one in given:
        name, _, number = one.rpartition("=")
        if not name or not number.isascii() or not number.isdigit() or len(number) > 9:  # noqa: PLR2004 - digits
            raise UsageError(
                f"invalid attestation '{one[:100]}': use NAME=NUMBER", hint="For example: reviews=5"
            )
        values[name] = int(number)
    return values


def attest(
    ports: Ports, options: DeployOptions, values: Mapping[str, int], link: str, signer: Signer
) -> list[Attestation]:
    """Attest values for the images and migrations of a deployment with these options, in the journal or in a file.

    Raises UsageError for an unknown name or an invalid link, NotCounted, UnusableKey; then nothing is recorded.
    """
    policy = ports.env.signoff
    require_known(values, policy)
    _require_link(link)
    name = find_name(policy, signer)
    require_attester(name, policy)
    basis = approval_subject(ports, options).basis
    records = [
        signed(Attestation(ports.env.name, subject, value, link, name, now(), basis), policy, signer.key)
        for subject, value in values.items()
    ]
    if signer.to is not None:
        write_records(Recorded.of(records), signer.to)
    else:
        with open_pool(ports) as (journal, _):
            append(journal, records)
    return records


def require_known(names: Iterable[str], policy: Signoff) -> None:
    """Raise UsageError, with the nearest name, for an attestation that is not configured."""
    known = list(policy.attestations)
    for name in names:
        if name not in policy.attestations:
            raise UsageError(
                f"Unknown attestation '{name[:100]}'{did_you_mean(name, known)}",
                hint=f"Attestations: {', '.join(known) or 'none; set signoff.attestations'}.",
            )


def _require_link(link: str) -> None:
    is_url = link.startswith(("https://", "http://")) and link.isprintable() and " " not in link
    if not is_url or len(link) > LINK_CHARACTERS:
        raise UsageError(
            f"invalid --link '{link[:100]}': use a URL", hint="For example https://git.example.com/reviews/42"
        )
    if contains_secret(link):
        raise UsageError("--link contains a secret of this configuration.", hint="Use a link without it.")
