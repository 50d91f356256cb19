"""One harness for every Change, on real parts: observe, move, move again, move back, observed as before.

And what breaks its world must turn it red.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.cluster import Image, UnknownDeployment
from cartctl.config.load import load_environment
from cartctl.engine.evidence import ModifiedExternally, dump, load, refuse_modified
from cartctl.engine.model import Change, Evidence
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import CartctlError
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.change_registry import kinds
from cartctl.ports import Ports
from cartctl.steps.release_wait import RolloutFailed
from tests.sandbox_fixture import Sandbox, wait_for

EVIDENCE = Path(__file__).parents[1] / "cases" / "evidence"
MAKE: dict[str, Callable[[Ports], Any]] = {
    "prewarm": step_factories.prewarm,
    "workers.stop": step_factories.workers_stop,
    "maintenance.on": step_factories.maintenance,
    "release.api": lambda ports: step_factories.release(ports, "api", {}),
    "flags": step_factories.flags,
}


@pytest.fixture
def ports(sandbox: Sandbox) -> Iterator[Ports]:
    """The sandbox's adapters."""
    with Ports(load_environment(str(sandbox.layout.config), "sandbox")) as made:
        yield made


@pytest.mark.parametrize("key", tuple(MAKE))
def test_a_change_goes_there_and_back_and_each_twice_is_once(
    ports: Ports, sandbox: Sandbox, key: str
) -> None:
    """Move, move again, and back from the evidence alone: what is observed is what it was."""
    change: Change[Any] = MAKE[key](ports)
    before = change.observe(change.names)
    to = change.target(before)
    assert to != before
    evidence = Evidence(change.kind, change.names, dump(change, before), (dump(change, to),))
    change.move(to, Pulse())
    assert change.observe(change.names) == to
    revisions = _revisions(sandbox)
    change.move(to, Pulse())
    assert (change.observe(change.names), _revisions(sandbox)) == (to, revisions)
    back = kinds(ports)[evidence.kind](key, evidence.names)
    refuse_modified(back, evidence)
    back.move(load(back, evidence.before), Pulse())
    assert back.observe(evidence.names) == before
    wait_for(sandbox.settled)
    revisions = _revisions(sandbox)
    back.move(load(back, evidence.before), Pulse())
    assert (back.observe(evidence.names), _revisions(sandbox)) == (before, revisions)


def _revisions(sandbox: Sandbox) -> dict[str, str]:
    return {name: result.revision for name, result in sandbox.cluster.deployments().items()}


@pytest.mark.parametrize("path", tuple(sorted(EVIDENCE.glob("*.json"))), ids=lambda path: path.stem)
def test_evidence_of_an_older_version_is_still_read(ports: Ports, path: Path) -> None:
    """Golden evidence of each kind loads into today's type and is written as it was: it changes by addition only."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["kind"] in kinds(ports)
    change = kinds(ports)[kept["kind"]]("key", tuple(kept["names"]))
    for values in (kept["before"], kept["to"]):
        for name, value in dump(change, load(change, values)).items():
            assert value == values[name] or {**value, **values[name]} == value


def test_every_kind_has_golden_evidence(ports: Ports) -> None:
    """A new kind brings its file."""
    assert {json.loads(path.read_text())["kind"] for path in EVIDENCE.glob("*.json")} == set(kinds(ports))


def test_a_value_of_somebody_else_is_refused_with_the_difference(ports: Ports, sandbox: Sandbox) -> None:
    """Neither what it was nor what was asked for: named, and left alone."""
    change = MAKE["prewarm"](ports)
    before = change.observe(change.names)
    evidence = Evidence(
        change.kind, change.names, dump(change, before), (dump(change, change.target(before)),)
    )
    sandbox.cluster.set_capacity("deployment/payment-api", 1)
    with pytest.raises(ModifiedExternally, match="deployment/payment-api is 1"):
        refuse_modified(change, evidence)


def test_a_digest_that_moved_turns_a_release_red(ports: Ports) -> None:
    """The tag is as asked, the digest in the pods is not."""
    change = MAKE["release.api"](ports)
    (name,) = change.names
    now = change.observe(change.names)[name]
    assert now.digest
    with pytest.raises(CartctlError, match="sha256:other"):
        change.move({name: Image(now.ref, "sha256:other")}, Pulse())


def test_a_version_that_does_not_start_fails_fast_with_its_own_words(ports: Ports) -> None:
    """The crash loop is told long before the rollout's time limit, with the container's last lines."""
    change = step_factories.release(ports, "api", {"payment-api": "2.0.0-crash"})
    assert isinstance(change, Change)
    with pytest.raises(RolloutFailed, match=r"(?s)CrashLoopBackOff.*cart module failed to start"):
        change.move(change.target(change.observe(change.names)), Pulse())


def test_an_image_that_does_not_exist_changes_nothing(ports: Ports, sandbox: Sandbox) -> None:
    """Asking for it is refused by name."""
    revisions = _revisions(sandbox)
    change = step_factories.release(ports, "api", {"payment-api": "9.9.9"})
    assert isinstance(change, Change)
    with pytest.raises(UnknownDeployment, match=r"9\.9\.9"):
        change.move(change.target(change.observe(change.names)), Pulse())
    assert _revisions(sandbox) == revisions


def test_a_replica_that_does_not_obey_keeps_maintenance_from_counting_as_on(ports: Ports) -> None:
    """The shopper's door of the deployments asked is the wrong one, so no 503 is seen there: time runs out."""
    change = step_factories.maintenance(ports)
    change._timeout = 0.5
    change._probe = replace(change._probe, shopper="/health")
    with pytest.raises(TimedOut, match="Maintenance on in every pod"):
        change.move(change.target(change.observe(change.names)), Pulse())
