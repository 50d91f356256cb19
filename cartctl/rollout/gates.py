"""The conversion gate: whether carts of enabled companies convert as often as those of the others. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.rollout import Gate
from cartctl.engine.model import CheckResult, Verdict
from cartctl.measurements import percentage

_CARTS = """
SELECT "companyId", count(*), count(*) FILTER (WHERE status = 'CONVERTED')
FROM carts WHERE "createdAt" >= %s AND "createdAt" < %s GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Carts created and carts converted of a group of companies."""

    carts: int = 0
    bought: int = 0

    @property
    def rate(self) -> float:
        """The share that converted, 0 to 1; 0 without carts."""
        return self.bought / self.carts if self.carts else 0.0

    def __str__(self) -> str:
        return f"{percentage(self.rate)} of {self.carts} carts"


def count_carts(database: Postgres, since: datetime, until: datetime) -> dict[str, Conversion]:
    """Conversions by company over carts created between two times. Read-only."""
    span = tuple(at.replace(tzinfo=None) for at in (since, until))  # the column is without a zone, in UTC
    with database.session("conversion", default_transaction_read_only="on") as connection:
        rows = connection.execute(_CARTS, span).fetchall()
    return {company: Conversion(carts, bought) for company, carts, bought in rows}


def total(conversions: Iterable[Conversion]) -> Conversion:
    """The sum over several groups."""
    known = list(conversions)
    return Conversion(sum(one.carts for one in known), sum(one.bought for one in known))


def judge_conversion(by_company: dict[str, Conversion], on: frozenset[str], gate: Gate) -> CheckResult:
    """The enabled companies' rate against the others', each with its number of carts.

    With fewer than `minimum_carts` on either side the verdict is "not enough data": a warning, or unknown where it is required.
    """
    ours = total(one for company, one in by_company.items() if company in on)
    others = total(one for company, one in by_company.items() if company not in on)
    comparison = f"{ours} of the enabled companies, {others} of the others"
    expected = f"at most {gate.conversion_drop:.0%} below the others, over {gate.minimum_carts} carts each"
    if min(ours.carts, others.carts) < gate.minimum_carts:
        verdict = Verdict.UNKNOWN if gate.conversion_required else Verdict.WARN
        return CheckResult("conversion", verdict, f"not enough data: {comparison}", expected)
    allowed = 1 - Fraction(
        str(gate.conversion_drop)
    )  # exactly a tenth below counts as a tenth, despite rounding
    if Fraction(ours.bought, ours.carts) < Fraction(others.bought, others.carts) * allowed:
        hint = "Investigate, then: cartctl rollout hold, or cartctl rollout abort"
        return CheckResult("conversion", Verdict.FAIL, comparison, expected, hint)
    return CheckResult("conversion", Verdict.PASS, comparison, expected)
