"""Promotion codes in their one canonical form (D4)."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.promotions.promotion import Promotion

LONGEST_CODE = 100  # characters


def canonical_code(code: str, path: str = "code") -> str:
    """A code as it is compared: NFKC, trimmed, upper case. The database's unique index has upper(btrim(code)).

    Raises InputError at `path`, naming the code, for one that is empty, longer than 100
    characters, or not printable ASCII after that.
    """
    canonical = _canonical(code) if len(code) <= LONGEST_CODE else None
    if canonical is None:
        raise InputError(
            path, f"{code[:LONGEST_CODE]!a} is not a promotion code: use printable ASCII characters"
        )
    return canonical


def is_code(code: str) -> bool:
    """Whether a code has a canonical form."""
    return len(code) <= LONGEST_CODE and _canonical(code) is not None


def repeated(promotions: Sequence[Promotion]) -> Iterable[Promotion]:
    """The promotions whose code another one has that ranks higher: each code counts once."""
    codes = [_canonical(promotion.code) for promotion in promotions]
    if len(set(codes)) == len(codes):
        return ()
    first: dict[str | None, Promotion] = {}
    for promotion in sorted(promotions, key=lambda promotion: promotion.rank):
        first.setdefault(_canonical(promotion.code), promotion)
    return [each for each, code in zip(promotions, codes, strict=True) if first[code] is not each]


@lru_cache(maxsize=4096)
def _canonical(code: str) -> str | None:
    canonical = unicodedata.normalize("NFKC", code).strip().upper()
    return canonical if canonical and canonical.isascii() and canonical.isprintable() else None
