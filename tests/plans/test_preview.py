"""What `--plan` shows: the values that are there now, and what the run's own guards would refuse."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from cartctl.engine.model import Evidence, Restore
from cartctl.engine.runner import Kinds
from cartctl.errors import Refused
from cartctl.plans.execution.phases import Phase
from cartctl.plans.execution.preview import Plan, preview
from tests.engine.toy import BEGINNING, Set, World


class Image(Set):
    """A number that decides which code runs."""

    kind: ClassVar[str] = "release"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Numbers as a deployment finds them."""
    (tmp_path / "world.json").write_text(json.dumps(BEGINNING))
    return World(tmp_path / "world.json")


def shown(world: World) -> Plan:
    """The preview of reverting an image from 2 to 1, maintenance, and replicas that the run never raised."""
    kinds: Kinds = {
        "number": lambda key, names: Set(key, names, world),
        "release": lambda key, names: Image(key, names, world),
    }
    held = {
        "release": Evidence("release", ("image",), {"image": 1}, ({"image": 2},)),
        "maintenance.on": Evidence("number", ("maintenance",), {"maintenance": 0}, ({"maintenance": 1},)),
    }
    steps = (
        Restore("undo", of="release"),
        Restore("off", of="maintenance.on"),
        Restore("down", of="prewarm"),
    )
    return preview("rollback", "toy", (Phase("1", "", steps),), held, kinds)


def test_a_plan_shows_what_is_so_now_and_not_what_the_journal_reports(world: World) -> None:
    """The image is 2 and goes to 1; maintenance is off already; replicas were never moved."""
    world.write("image", 2)
    undo, off, down = shown(world).rows
    assert (undo.before, undo.after) == ({"image": 2}, {"image": 1})
    assert (off.before, off.note) == ({"maintenance": 0}, "unchanged")
    assert (down.before, down.note) == (None, "nothing to revert")


@pytest.mark.parametrize(("name", "blocked"), (("image", True), ("maintenance", False)))
def test_a_value_modified_externally_is_refused_and_an_image_blocks_the_run(
    world: World, name: str, blocked: bool
) -> None:
    """Both guards are shown in their rows; only the code's keeps the whole rollback from beginning."""
    world.write("image", 2)
    world.write(name, 7)
    plan = shown(world)
    assert [f"{name} is 7" in row.refused for row in plan.rows].count(True) == 1
    assert bool(plan.blocked) == blocked
    if blocked:
        with pytest.raises(Refused, match="image is 7"):
            plan.refuse_blocked()
    else:
        plan.refuse_blocked()
