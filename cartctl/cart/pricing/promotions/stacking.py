"""Which promotions of one class win: all stackable ones together, or one of the others alone (D5)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cartctl.cart.pricing.promotions.promotion import Promotion

Units = Mapping[int, int]  # by the index of the line


@dataclass(frozen=True, slots=True)
class Discount:
    """What a promotion takes off each amount, in minor units, and the units that it counted as bought or got."""

    parts: list[int]
    units: Units = field(default_factory=dict)


Take = Callable[[Promotion, Sequence[int], Units], Discount]
"""A promotion, what is left to pay and the units that earlier ones have counted → what it takes off."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One promotion, what it takes off each amount, and what it takes off in all, in minor units."""

    promotion: Promotion
    parts: list[int]
    amount: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The promotions of the winning candidate, in the order they were applied, and those that lost to it."""

    won: tuple[Taken, ...]
    lost: tuple[Taken, ...]


def choose(promotions: Sequence[Promotion], rest: Sequence[int], take: Take) -> Choice:
    """The candidate with the largest discount on `rest`; a tie goes to the one whose first promotion ranks higher."""
    ordered = sorted(promotions, key=lambda promotion: promotion.rank)
    stackable = [promotion for promotion in ordered if promotion.stackable]
    candidates = [_one_after_the_other(stackable, rest, take)] if stackable else []
    candidates += [
        _one_after_the_other([promotion], rest, take) for promotion in ordered if not promotion.stackable
    ]
    if not candidates:
        return Choice((), ())
    best = min(candidates, key=_worth)
    return Choice(
        best, tuple(taken for candidate in candidates if candidate is not best for taken in candidate)
    )


def _one_after_the_other(
    promotions: Sequence[Promotion], rest: Sequence[int], take: Take
) -> tuple[Taken, ...]:
    taken: list[Taken] = []
    counted: dict[int, int] = {}
    for promotion in promotions:
        discount = take(promotion, rest, counted)
        rest = less(rest, discount.parts)
        for line, units in discount.units.items():
            counted[line] = counted.get(line, 0) + units
        taken.append(Taken(promotion, discount.parts, sum(discount.parts)))
    return tuple(taken)


def less(rest: Sequence[int], parts: Sequence[int]) -> list[int]:
    """What is left to pay after a discount; never below 0, since no part is larger than what it is taken from."""
    return [left - part for left, part in zip(rest, parts, strict=True)]


def _worth(candidate: tuple[Taken, ...]) -> tuple[int, object]:
    return (-sum(taken.amount for taken in candidate), candidate[0].promotion.rank)
