"""Which promotions of one class win: all stackable ones together, or one of the others alone (D5)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import sub
from types import MappingProxyType
from typing import NamedTuple

from cartctl.cart.pricing.promotions.promotion import Promotion

Units = Mapping[int, int]  # by the index of the line


class Discount(NamedTuple):
    """What a promotion takes off each amount, in minor units, and the units that it counted as bought or got."""

    parts: list[int]
    units: Units = MappingProxyType({})


Take = Callable[[Promotion, Sequence[int], Units], Discount]
"""A promotion, what is left to pay and the units that earlier ones have counted → what it takes off."""


class AppliedPromotion(NamedTuple):
    """One promotion, and what it takes off in all, in minor units."""

    promotion: Promotion
    amount: int


class Candidate(NamedTuple):
    """Promotions that are applied together, in their order, what they take off in all, and what is left to pay."""

    taken: list[AppliedPromotion]
    amount: int
    rest: Sequence[int]


class Choice(NamedTuple):
    """The promotions of the winning candidate, those that lost to it, and what is left to pay."""

    won: Sequence[AppliedPromotion]
    lost: Sequence[AppliedPromotion]
    rest: Sequence[int]


def choose(promotions: Sequence[Promotion], rest: Sequence[int], take: Take) -> Choice:
    """The candidate with the largest discount on `rest`; a tie goes to the one whose first promotion ranks higher."""
    ordered = sorted(promotions, key=_rank) if len(promotions) > 1 else promotions
    stackable = [promotion for promotion in ordered if promotion.stackable]
    candidates = [_one_after_the_other(stackable, rest, take)] if stackable else []
    candidates += [
        _one_after_the_other((promotion,), rest, take) for promotion in ordered if not promotion.stackable
    ]
    if not candidates:
        return Choice((), (), rest)
    best = min(candidates, key=_worth) if len(candidates) > 1 else candidates[0]
    lost = [applied for candidate in candidates if candidate is not best for applied in candidate.taken]
    return Choice(best.taken, lost, best.rest)


def _one_after_the_other(promotions: Sequence[Promotion], rest: Sequence[int], take: Take) -> Candidate:
    applied: list[AppliedPromotion] = []
    counted: dict[int, int] = {}
    whole = 0
    for promotion in promotions:
        parts, units = take(promotion, rest, counted)
        amount = sum(parts)
        if amount:
            # Never below 0: no part is larger than what it is taken from.
            rest = list(map(sub, rest, parts))
            whole += amount
        for line, count in units.items():
            counted[line] = counted.get(line, 0) + count
        applied.append(AppliedPromotion(promotion, amount))
    return Candidate(applied, whole, rest)


def _rank(promotion: Promotion) -> tuple[int, datetime, str]:
    return promotion.rank


def _worth(candidate: Candidate) -> tuple[int, object]:
    return (-candidate.amount, candidate.taken[0].promotion.rank)
