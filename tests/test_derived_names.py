"""Derived names: within their limit in bytes, never taken, never what they were made from."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cartctl.derived_names import CONFIGMAP_KEY, IDENTIFIER, LOCAL_FILE, POD, NameRule, derive_name, fit_name
from cartctl.errors import Refused

RULES = st.sampled_from((IDENTIFIER, CONFIGMAP_KEY, LOCAL_FILE, POD))
TEXTS = st.one_of(st.text(max_size=300), st.text("äöü日本🛒ab", min_size=10, max_size=300))
UMLAUTS = "ä" * 31 + "x"  # 63 bytes


def valid(name: str, rule: NameRule) -> bool:
    """Whether a name is one of its kind; whole characters only, or it would not encode and decode."""
    encoded = name.encode("utf-8")
    return 0 < len(encoded) <= rule.limit and not rule.invalid.search(name) and encoded.decode() == name


@settings(deadline=None)
@given(TEXTS, TEXTS, RULES, st.integers(0, 120))
@example(UMLAUTS, "restoring", IDENTIFIER, 0)
@example(UMLAUTS, "before_20260301000000", IDENTIFIER, 3)
@example("s" * 62, "before_20260301000000", IDENTIFIER, 3)
@example("", "", POD, 0)
def test_a_derived_name_is_new_and_fits(base: str, suffix: str, rule: NameRule, busy: int) -> None:
    """Whatever it is made from, and however many are taken: a valid name that is neither taken nor its own base."""
    taken = {base}
    for _ in range(busy):
        taken.add(derive_name(base, suffix, rule, in_use=taken.__contains__))
    assert len(taken) == busy + 1
    name = derive_name(base, suffix, rule, in_use=taken.__contains__)
    assert name not in taken
    assert valid(name, rule)


@settings(deadline=None)
@given(TEXTS, TEXTS, RULES)
def test_two_bases_stay_two(one: str, other: str, rule: NameRule) -> None:
    """Names that had to be shortened or cleaned do not meet."""
    if one != other:
        assert derive_name(one, "x", rule) != derive_name(other, "x", rule)
        assert fit_name(one, rule) != fit_name(other, rule)


@settings(deadline=None)
@given(TEXTS, RULES)
def test_a_fitted_name_is_valid_and_stays(text: str, rule: NameRule) -> None:
    """A valid name is left alone; another becomes one, and that is left alone."""
    name = fit_name(text, rule)
    assert valid(name, rule)
    assert fit_name(name, rule) == name
    if text and valid_text(text, rule):
        assert name == text


def valid_text(text: str, rule: NameRule) -> bool:
    """As `valid`, for what may be no text."""
    try:
        return valid(text, rule)
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize("text", ("../../x", "/etc/passwd", ".", "..", "a/b", "a\nb", "\udcff", "x" * 400))
def test_a_file_name_stays_in_its_directory(text: str) -> None:
    """No separator, no parent, no control character, no undecodable byte."""
    name = fit_name(text, LOCAL_FILE, ".ndjson")
    assert valid(name, LOCAL_FILE)
    assert name.endswith(".ndjson")


def test_it_ends_when_every_name_is_taken() -> None:
    """A server that has them all is an error, no loop."""
    with pytest.raises(Refused, match="no free database object name ending in restoring for shop"):
        derive_name("shop", "restoring", in_use=lambda _: True)


def test_a_short_name_is_readable() -> None:
    """Without need there is no digest; a second one gets a number."""
    assert derive_name("shop", "restoring") == "shop_restoring"
    assert derive_name("shop", "restoring", in_use={"shop_restoring"}.__contains__) == "shop_restoring_2"
