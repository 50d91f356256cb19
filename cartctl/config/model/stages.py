"""The stages of the rollout as the file writes them: `6-10 beta 10%` is days 6 to 10, a tenth of the beta companies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from cartctl.config.values import quoted

NOBODY = ("internal", "shadow")  # stages in which only the internal companies are on
HUNDRED = Decimal(100)
_FORM = re.compile(
    r"(?P<first>\d{1,3})(?:-(?P<last>\d{1,3}))?"
    r"(?:\s+(?P<name>(?!beta\b|signoff\b)[A-Za-z][\w-]*))?"
    r"(?P<beta>\s+beta)?"
    r"(?:\s+(?P<percent>-?\d+(?:\.\d+)?)\s*%)?"
    r"(?P<signoff>\s+signoff)?"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Days `first` to `last` after the start, `percent` of all companies or of the beta ones; `signoff`: a person must agree."""

    first: int
    last: int
    name: str
    percent: Decimal
    beta: bool = False
    signoff: bool = False

    @property
    def days(self) -> int:
        """How many calendar days the stage lasts."""
        return self.last - self.first + 1


def read_percent(text: str) -> Decimal:
    """A percentage from 0 to 100 in steps of a hundredth, with or without its sign. Raises ValueError."""
    bare = text.strip().removesuffix("%").strip()
    if not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", bare):
        raise ValueError(f"is not a valid percentage: {quoted(text)}; write, for example, 25%")
    percent = Decimal(bare)
    if not 0 <= percent <= HUNDRED:
        raise ValueError(f"must be from 0 to 100 percent, not {percent}")
    if percent != percent.quantize(Decimal("0.01")):
        raise ValueError(f"has more than two decimals: {percent}")
    return percent


def read_stage(text: str) -> Stage:
    """One stage. Raises ValueError saying what is wrong."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f'is not a valid stage: {quoted(text)}; write "6-10 beta 10%", "11-13 25%" or "3-5 shadow"'
        )
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if last < first:
        raise ValueError(f"ends before it begins: {quoted(text)}")
    if match["percent"] is None and match["name"] not in NOBODY:
        raise ValueError(f"has no percentage: {quoted(text)}")
    percent = read_percent(match["percent"] or "0")
    beta = match["beta"] is not None
    name = match["name"] or f"{'beta ' if beta else ''}{percent.normalize():f}%"
    return Stage(first, last, name, percent, beta, match["signoff"] is not None)


def read_stages(texts: Sequence[str]) -> tuple[Stage, ...]:
    """All stages, in order. Raises ValueError for days that overlap and for percentages that do not ascend."""
    stages = tuple(read_stage(text) for text in texts)
    if not stages:
        raise ValueError("is empty; remove the key for the default twenty days")
    for (one, other), text in zip(pairwise(stages), texts[1:], strict=True):
        if other.first <= one.last:
            raise ValueError(
                f"overlap: {quoted(text)} begins on day {other.first}, {one.name} ends on day {one.last}"
            )
        if other.percent < one.percent or (other.beta and not one.beta and one.percent):
            raise ValueError(f"must ascend: {quoted(text)} comes after {one.name}")
        if other.percent == one.percent and other.percent and one.beta == other.beta:
            raise ValueError(f"must ascend: {quoted(text)} comes after {one.name}")
    return stages
