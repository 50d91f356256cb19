"""Checks of decisions by people: window, attestations, sign-offs, and proof on another environment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cartctl.checks.preflight.approval.proof import StagedRun
from cartctl.errors import Refused
from cartctl.signoff.judgement import SignoffSheet


def _no_sheet() -> SignoffSheet:
    raise Refused("The sign-offs cannot be read from here.")


@dataclass(frozen=True, slots=True)
class ApprovalSources:
    """Reads what the checks evaluate; each may raise CartctlError.

    `sheet` is the sign-off table of what would be deployed now, `staged` the deployments of the environment
    `proved_on`, newest first.
    """

    sheet: Callable[[], SignoffSheet] = _no_sheet
    staged: Callable[[], Iterable[StagedRun]] = tuple
