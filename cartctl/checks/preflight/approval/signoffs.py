"""Whether every required role has approved exactly what would be deployed, and what had to be attested is."""

from collections.abc import Callable, Iterator
from datetime import datetime
from shlex import quote

from cartctl.checks.results import failed, not_configured, passed
from cartctl.config.model.signoff import Required, Signoff
from cartctl.engine.model import CheckResult
from cartctl.signoff.judgement import SignoffRow, SignoffSheet
from cartctl.signoff.records import Attestation

SHOWN = len("sha256:") + 12  # characters of a fingerprint


def check_signoffs(policy: Signoff, read_sheet: Callable[[], SignoffSheet]) -> Iterator[CheckResult]:
    """One result for each required role. Read-only."""
    if not policy.roles:
        yield not_configured("signoff", "signoff.roles is not configured")
        return
    sheet = read_sheet()
    for row in sheet.rows:
        yield _signoff(row, sheet)


def _signoff(row: SignoffRow, sheet: SignoffSheet) -> CheckResult:
    name, expected = f"signoff.{row.role}", f"approval of {sheet.fingerprint[:SHOWN]}"
    if row.counts and row.at:
        return passed(name, f"{row.name}, {_time(row.at)}, {row.key or 'not signed'}", expected)
    request = "" if sheet.requested else "cartctl signoff request FILE, then "
    return failed(name, row.reason, expected, f"{request}cartctl signoff add --role {quote(row.role)}")


def check_attestations(policy: Signoff, read_sheet: Callable[[], SignoffSheet]) -> Iterator[CheckResult]:
    """One result for each attestation: recorded for these images and migrations, with an accepted value. Read-only."""
    if not policy.attestations:
        yield not_configured("attestations", "signoff.attestations is not configured")
        return
    attested = {one.subject: one for one in read_sheet().attestations}
    for name, required in policy.attestations.items():
        yield _attestation(name, required, attested.get(name))


def _attestation(name: str, required: Required, one: Attestation | None) -> CheckResult:
    title, expected = f"attestations.{name}", str(required)
    bound = required.at_most if required.at_least is None else required.at_least
    hint = f"cartctl signoff attest {quote(f'{name}={bound}')} --link URL"
    if one is None:
        return failed(title, "not attested for these images and migrations", expected, hint)
    observed = f"{required.shown(one.value)}: {one.name}, {_time(one.at)}, {one.link}"
    if required.accepts(one.value):
        return passed(title, observed, expected)
    return failed(title, observed, expected, f"Resolve what is missing, then: {hint}")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
