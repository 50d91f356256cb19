"""Evaluation by the flags' own library: whether a company has a flag, and its place in the order of buckets.

No hash is computed here. A bucket is determined digit by digit: the library's `fractional` says which tenth a key falls into.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.contrib.tools.flagd.core.targeting.custom_ops import fractional
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, OpenFeatureError

from cartctl.errors import Refused

TOTAL = 10_000  # weights of a rule; one is a hundredth of a percent
_LEVELS = 4  # decimal digits of TOTAL


# what the library raises for invalid documents, its own errors and Python's
_WRONG = (
    OpenFeatureError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class NotEvaluated(Refused):
    """The library does not understand a document or cannot evaluate a flag."""

    code = "flags_not_evaluated"


class Evaluation:
    """A document of flags as an application evaluates it, that holds a company's id as its targeting key."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._core = FlagdCore()
        try:
            self._core.set_flags(json.dumps(document))
        except _WRONG as wrong:
            raise NotEvaluated(
                f"The flags library cannot parse the flags document: {str(wrong) or 'a flag has no variants'}.",
                hint="Correct the document first; it was not overwritten.",
            ) from wrong

    def on(self, flag: str, company: str) -> bool:
        """Whether a company has a flag; one that is not defined is off. Raises NotEvaluated."""
        try:
            return self._core.resolve_boolean_value(
                flag, default_value=False, ctx=EvaluationContext(company)
            ).value
        except FlagNotFoundError:
            return False
        except _WRONG as wrong:
            raise NotEvaluated(
                f"{flag} cannot be evaluated: {wrong}.", hint="Correct the flag first: cartctl flags list"
            ) from wrong

    def reason(self, flag: str, company: str) -> str:
        """The library's reason for a flag's value. Raises NotEvaluated."""
        try:
            details = self._core.resolve_boolean_value(
                flag, default_value=False, ctx=EvaluationContext(company)
            )
        except OpenFeatureError as wrong:
            return str(wrong.error_code.value)
        return str(getattr(details.reason, "value", details.reason))


class Buckets:
    """The order of companies under one seed; each digit is evaluated at most once."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._digits: dict[str, list[int]] = {}

    def below(self, company: str, weight: int) -> bool:
        """Whether a company's bucket (0 to 9999) is below `weight`; only the digits that decide it are evaluated."""
        low, size = 0, TOTAL
        for level in range(_LEVELS):
            if low + size <= weight or low >= weight:
                break
            size //= 10
            low += self._digit(company, level) * size
        return low < weight

    def bucket(self, company: str) -> int:
        """A company's bucket, 0 to 9999."""
        return sum(self._digit(company, level) * 10 ** (_LEVELS - 1 - level) for level in range(_LEVELS))

    def first(self, companies: Iterable[str], count: int) -> list[str]:
        """The `count` companies with the smallest buckets; equal buckets are ordered by id."""
        return self._ordered(sorted(companies), count, 0)[: max(0, count)]

    def _ordered(self, companies: list[str], count: int, level: int) -> list[str]:
        """Ordered as far as the first `count` need it: a group entirely on one side stays unsorted."""
        if level == _LEVELS or not 0 < count < len(companies):
            return companies
        groups: list[list[str]] = [[] for _ in range(10)]
        for company in companies:
            groups[self._digit(company, level)].append(company)
        ordered: list[str] = []
        for group in groups:
            ordered += self._ordered(group, count - len(ordered), level + 1)
        return ordered

    def _digit(self, company: str, level: int) -> int:
        known = self._digits.setdefault(company, [])
        while len(known) <= level:
            size = 10 ** (_LEVELS - 1 - len(known))
            low = sum(digit * size * 10 ** (len(known) - at) for at, digit in enumerate(known))
            tenths = [[digit, size] for digit in range(10)]
            shares = [["before", low], *tenths, ["after", TOTAL - low - 10 * size]]
            key = f"{self._seed}/{company}"
            known.append(_bucket_number(fractional({}, key, *[share for share in shares if share[1]])))
        return known[level]


def _bucket_number(bucket: Any) -> int:
    if not isinstance(bucket, int):
        raise NotEvaluated(
            f"The flags library returned {bucket!r}; a bucket number was expected.",
            hint="Install the version of openfeature-flagd-core that cartctl was released with.",
        )
    return bucket
