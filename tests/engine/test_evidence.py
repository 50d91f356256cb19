"""The guard that keeps an undo from overwriting external modifications, and evidence as JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from cartctl.engine.evidence import (
    ModifiedExternally,
    dump,
    guard_revert,
    load,
    refuse_modified,
    refuse_secrets,
    revert,
)
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.model import Change, Evidence
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.redaction import register


class Prices(Change[Decimal]):
    """Prices in memory; `frozen` is why they cannot be set now."""

    key = "prices"
    kind: ClassVar[str] = "prices"
    value: ClassVar[Any] = Decimal

    def __init__(self, frozen: str = "", **now: str) -> None:
        self.now = {name: Decimal(price) for name, price in now.items()}
        self.names, self._frozen, self.moves = tuple(now), frozen, list[dict[str, Decimal]]()

    def show(self, name: str, value: Decimal) -> str:
        """With the currency."""
        return f"{value} EUR"

    def guard(self, to: Mapping[str, Decimal]) -> None:
        """Refused while frozen."""
        if self._frozen:
            raise Refused(f"{self._frozen} {to['a']}", hint="Wait.")

    def remarks(self, evidence: Evidence) -> list[str]:
        """The currency was changed, which a revert keeps."""
        return [f"currency kept, {len(evidence.names)} prices"]

    def observe(self, names: tuple[str, ...]) -> dict[str, Decimal]:
        """Now."""
        return {name: self.now[name] for name in names}

    def target(self, before: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Twice as much."""
        return {name: 2 * price for name, price in before.items()}

    def move(self, to: Mapping[str, Decimal], pulse: Pulse) -> None:
        """Set."""
        pulse.check()
        self.moves.append(dict(to))
        self.now.update(to)


def evidence(*names: str) -> Evidence:
    """Each name was at 1 and set to 2, then to 3."""
    before, first, second = (dict.fromkeys(names, price) for price in ("1", "2", "3"))
    return Evidence("prices", names, before, (first, second))


@pytest.mark.parametrize("now", ("1", "2", "3"))
def test_what_the_run_knows_is_reverted(now: str) -> None:
    """The previous value and every target; the revert moves to the previous one and tells what it kept."""
    change = Prices(a=now, b="3")
    assert guard_revert(change, evidence("a", "b")) == ["currency kept, 2 prices"]
    assert change.moves == []
    assert revert(change, evidence("a", "b"), Pulse()) == ["currency kept, 2 prices"]
    assert change.moves == [{"a": Decimal(1), "b": Decimal(1)}]


@pytest.mark.parametrize(("a", "b"), (("4", "1"), ("1", "4"), ("2", "4")))
def test_one_value_that_it_does_not_know_stops_all_of_it(a: str, b: str) -> None:
    """Named with its value and those that the run knows, each once, in order; nothing is moved."""
    change = Prices(a=a, b=b)
    for attempt in (
        lambda: revert(change, evidence("a", "b"), Pulse()),
        lambda: guard_revert(change, evidence("a", "b")),
        lambda: refuse_modified(change, evidence("a", "b")),
    ):
        with pytest.raises(ModifiedExternally) as refused:
            attempt()
        name = "a" if a == "4" else "b"
        assert refused.value.message.startswith(f"{name} is 4 EUR, which is neither")
        assert "(1 EUR, 2 EUR, 3 EUR)" in refused.value.message
    assert change.moves == []


def test_a_value_with_the_same_target_twice_is_named_once() -> None:
    """As after a resume."""
    with pytest.raises(ModifiedExternally, match=r"\(1 EUR, 2 EUR\)"):
        refuse_modified(Prices(a="4"), Evidence("prices", ("a",), {"a": "1"}, ({"a": "2"}, {"a": "2"})))


def test_a_target_that_lacks_a_name_knows_nothing_of_it() -> None:
    """Neither its absence nor another's value counts."""
    known = Evidence("prices", ("a", "b"), {"a": "1", "b": "1"}, ({"a": "2"},))
    refuse_modified(Prices(a="2", b="1"), known)
    with pytest.raises(ModifiedExternally, match=r"b is 2 EUR.*\(1 EUR\)"):
        refuse_modified(Prices(a="2", b="2"), known)


def test_a_revert_that_could_not_take_effect_is_refused_before() -> None:
    """The guard sees the previous values."""
    with pytest.raises(Refused, match="frozen 1"):
        guard_revert(Prices("frozen", a="2"), evidence("a"))


def test_values_pass_through_json_unchanged_and_damage_is_named() -> None:
    """A Decimal stays one; anything else is a damaged journal, never a value."""
    change = Prices(a="1")
    assert dump(change, {"a": Decimal("1.10")}) == {"a": "1.10"}
    assert load(change, {"a": "1.10"}) == {"a": Decimal("1.10")}
    with pytest.raises(DamagedJournal, match="evidence of prices: its values have an unknown format"):
        load(change, {"a": [1]})


def test_every_value_of_every_set_is_searched_for_secrets() -> None:
    """Also in nested values and beyond ASCII."""
    register("Ähre/Bravo7")
    change = Prices(a="1")
    refuse_secrets(change, {"a": 1}, {"a": "Bravo"})
    for values in (
        ({"a": "x"}, {"b": "xÄhre/Bravo7x"}),
        ({"a": "1", "b": ["Ähre/Bravo7"]},),
        ({"a": {"b": "Ähre/Bravo7"}}, {"a": 1}),
    ):
        with pytest.raises(Refused, match=r"^prices: the value of [ab] contains a secret"):
            refuse_secrets(change, *values)
