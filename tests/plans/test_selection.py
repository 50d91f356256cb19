"""Which run a rollback selects, from journals alone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartctl.engine.events import Event
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.errors import Refused
from cartctl.plans.execution.journals import Journals
from cartctl.plans.rollback.selection import AlreadyReverted, newest_change, select, with_tables

OLD, NEW = {"ref": "1.0.0", "digest": None, "rest": ""}, {"ref": "2.0.0", "digest": None, "rest": ""}
AT = datetime(2026, 12, 1, 2, tzinfo=UTC)


class Story:
    """Runs told one after another."""

    def __init__(self, directory: Path) -> None:
        self._file = FileJournal(directory)
        self._told = 0
        self.journals = Journals(ReplicatedJournal(None, [self._file]), None)

    def tell(self, run: str, key: str, event: str, **data: Any) -> None:
        """One event."""
        self._told += 1
        self._file.append(Event(run, AT + timedelta(milliseconds=self._told), key, event, data))

    def deploy(self, run: str, before: Mapping[str, Any] = OLD, to: Mapping[str, Any] = NEW) -> None:
        """A deployment that scales workers for a while and releases an image; its end is told apart."""
        self.tell(run, "run", "started", plan="deploy", env="production")
        self._intend(run, "workers.stop", "replicas", {"deployment/w": 1}, {"deployment/w": 0})
        self._intend(run, "release.api", "release", {"api.api": before}, {"api.api": to})
        self.tell(run, "workers.start", "restored", of="workers.stop")

    def undo(self, run: str) -> None:
        """It reverts itself."""
        self.tell(run, "run", "undoing", cause="smoke")
        self.tell(run, "release.api", "restored")
        self.end(run, "rolled_back")

    def rollback(self, run: str, of: str, outcome: str = "succeeded", **facts: Any) -> None:
        """A rollback of another run that reverts its image."""
        evidence = {
            "kind": "release",
            "names": ["api.api"],
            "before": {"api.api": OLD},
            "to": [{"api.api": NEW}],
        }
        self.tell(
            run, "run", "started", plan="rollback", of=of, evidence={"release.api": evidence}, facts=facts
        )
        if outcome == "succeeded":
            self.tell(run, "undo.api", "restored", of="release.api")
        self.end(run, outcome)

    def end(self, run: str, outcome: str) -> None:
        """A run's end."""
        self.tell(run, "run", "finished", outcome=outcome, exit_code=0)

    def _intend(self, run: str, key: str, kind: str, before: Any, to: Any) -> None:
        self.tell(run, key, "intended", kind=kind, names=list(before), before=before, to=to)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """No run yet."""
    return Story(tmp_path / "runs")


def test_the_newest_deployment_is_selected(story: Story) -> None:
    """Two in effect: the newer one."""
    for run in ("r1", "r2"):
        story.deploy(run)
        story.end(run, "succeeded")
    assert select(story.journals, None).run == "r2"
    assert select(story.journals, "r1").run == "r1"


def test_one_that_reverted_itself_is_refused_and_the_one_in_effect_named(story: Story) -> None:
    """Nothing further back is selected, however often; by its id it is."""
    story.deploy("r1")
    story.end("r1", "succeeded")
    story.deploy("r2", NEW, {**NEW, "ref": "2.0.0-errors"})
    story.undo("r2")
    for _ in range(2):
        with pytest.raises(AlreadyReverted, match=r"r2 of 2026-12-01 02:00 UTC .* by itself") as refused:
            select(story.journals, None)
        assert (
            "The run in effect is r1 of 2026-12-01 02:00 UTC (api.api 1.0.0 → 2.0.0)." in refused.value.hint
        )
        assert refused.value.hint.endswith("cartctl rollback --run r1 --env production")
    assert select(story.journals, "r1").run == "r1"


def test_a_second_rollback_never_goes_further_back(story: Story) -> None:
    """After r2 was rolled back r1 is in effect and is only named; after r1 too, nothing is."""
    for run in ("r1", "r2"):
        story.deploy(run)
        story.end(run, "succeeded")
    story.rollback("r3", of="r2")
    with pytest.raises(AlreadyReverted, match="by r3") as refused:
        select(story.journals, None)
    assert "--run r1" in refused.value.hint
    story.rollback("r4", of="r1")
    with pytest.raises(AlreadyReverted, match="by r4") as refused:
        select(story.journals, "r1")
    assert refused.value.hint == "No other deployment is in effect."


def test_a_failed_rollback_can_be_run_again(story: Story) -> None:
    """It is the same deployment that is selected."""
    story.deploy("r1")
    story.end("r1", "succeeded")
    story.rollback("r2", of="r1", outcome="failed")
    story.rollback("r3", of="r1", outcome="inconclusive")
    assert select(story.journals, None).run == "r1"


def test_a_run_that_changed_nothing_is_never_selected(story: Story) -> None:
    """Ended before any change, or released the image that was there: the one before it is what serves."""
    story.deploy("r1")
    story.end("r1", "succeeded")
    story.tell("r2", "run", "started", plan="deploy", env="production")
    story.end("r2", "failed")
    story.deploy("r3", NEW, NEW)
    story.end("r3", "succeeded")
    assert select(story.journals, None).run == "r1"


def test_one_that_failed_before_its_release_and_reverted_is_still_the_newest(story: Story) -> None:
    """Workers were stopped and started again: the deployment before it is not what the operator means."""
    story.deploy("r1")
    story.end("r1", "succeeded")
    story.tell("r2", "run", "started", plan="deploy", env="production")
    story.tell("r2", "w", "intended", kind="replicas", names=["w"], before={"w": 1}, to={"w": 0})
    story.tell("r2", "run", "undoing", cause="migrate")
    story.tell("r2", "w", "restored")
    story.end("r2", "rolled_back")
    with pytest.raises(AlreadyReverted):
        select(story.journals, None)


def test_an_unfinished_run_is_selected_whatever_it_has_done(story: Story) -> None:
    """It has to come to an end, also where a rollback of it died before telling so."""
    story.deploy("r1")
    story.end("r1", "succeeded")
    story.tell("r2", "run", "started", plan="deploy", env="production")
    story.rollback("r3", of="r2")
    assert select(story.journals, None).run == "r2"
    story.end("r2", "rolled_back")
    with pytest.raises(AlreadyReverted):
        select(story.journals, None)


def test_a_rollback_with_the_database_reverted_every_deployment_since_its_own(story: Story) -> None:
    """Those on top of the one that made the tables went with it."""
    for run in ("r1", "r2"):
        story.deploy(run)
        story.end(run, "succeeded")
    story.rollback("r3", of="r1", database=True)
    with pytest.raises(AlreadyReverted) as refused:
        select(story.journals, None)
    assert refused.value.hint == "No other deployment is in effect."


def test_tables_are_dropped_once(story: Story) -> None:
    """A rollback of the code alone leaves them; one before the run, or one that failed, says nothing of its tables."""
    story.tell("r1", "run", "started", plan="migrate", env="production")
    story.end("r1", "succeeded")
    story.rollback("r2", of="r1", database=True)
    story.deploy("r3")
    story.end("r3", "succeeded")
    story.rollback("r4", of="r3")
    story.rollback("r5", of="r3", outcome="failed", database=True)
    assert with_tables(story.journals, "r3").run == "r3"
    with pytest.raises(AlreadyReverted, match="by r2"):
        with_tables(story.journals, "r1")
    with pytest.raises(AlreadyReverted, match="by r2"):
        select(story.journals, "r1")


def test_what_is_no_deployment_cannot_be_rolled_back(story: Story) -> None:
    """A rollback, an unknown run, and a journal without runs are refused in one sentence."""
    with pytest.raises(Refused, match="nothing to roll back"):
        select(story.journals, None)
    story.deploy("r1")
    story.rollback("r2", of="r1")
    story.deploy("deploy-01")
    for run, message in (
        ("r2", "is a rollback"),
        ("r9", r"Run not found: r9\."),
        ("deploy-0x", "mean deploy-01"),
    ):
        with pytest.raises(Refused, match=message):
            select(story.journals, run)


def test_a_migration_beside_older_tables_is_named(story: Story) -> None:
    """With two of three tables by another tool, no run began without the cart: the refusal names the run and its command."""
    with pytest.raises(Refused, match="nothing to roll back") as nothing:
        newest_change(story.journals)
    assert nothing.value.hint == "See: cartctl history"
    story.tell("r1", "run", "started", plan="migrate", env="production")
    story.tell("r1", "migrate", "applied", result={"applied": ["20261203_carts"]})
    story.end("r1", "succeeded")
    with pytest.raises(Refused, match="nothing to roll back") as named:
        newest_change(story.journals)
    assert named.value.hint.endswith("run r1 created: cartctl rollback --database --run r1")
