"""The flags' document in a ConfigMap: rights that are missing, other writers, and pods that mount it."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cartctl.adapters.flag_store import ConfigMapFlags
from cartctl.adapters.kubernetes.client.responses import ClusterForbidden
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.pulse import Pulse
from cartctl.rollout.document import Setting, read_setting, render
from cartctl.rollout.evaluation import Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.steps.flags import Flags, names_in
from tests.kubernetes.fixture import Small
from tests.kubernetes.server import Request

QUARTER = Setting(Decimal(25), cohort=("acme",))
OTHER = {"state": "ENABLED", "variants": {"a": 1, "b": 2}, "defaultVariant": "a"}
WRITES = ("create", "patch", "update")


def step(small: Small) -> Flags:
    """A quarter of the companies by list."""
    store = ConfigMapFlags(small.cluster, "cart-flags", "flags.json")
    return Flags("flags", names_in(store), store, lambda _: render(QUARTER))


def put(small: Small, flags: dict[str, Any]) -> dict[str, str]:
    """Another team's document, with a key of theirs beside it; what stands there then."""
    small.cluster.put_settings("cart-flags", {"flags.json": json.dumps({"flags": flags}), "THEIRS": "1"})
    return small.cluster.settings("cart-flags")


def once(small: Small, happen: Callable[[], object]) -> None:
    """Let something happen between our reading and our first write."""
    pending = [happen]

    def meanwhile(request: Request) -> None:
        if request.resource == "configmaps" and request.verb in WRITES and pending:
            pending.pop()()

    small.server.fault = meanwhile


def test_a_configmap_that_may_not_be_written_stays(small: Small) -> None:
    """The Role lacks the verb: refused with the server's own words, everything as it was; with the verb it is written."""
    before = put(small, {"OTHER": OTHER})
    small.server.denied |= {(verb, "configmaps") for verb in WRITES}
    change = step(small)
    to = change.target(change.observe(change.names))
    with pytest.raises(ClusterForbidden, match="configmaps is forbidden"):
        change.move(to, Pulse())
    assert small.cluster.settings("cart-flags") == before
    small.server.denied.clear()
    change.move(to, Pulse())
    result = small.cluster.settings("cart-flags")
    assert read_setting(change.observe(change.names)) == QUARTER
    assert Evaluation(json.loads(result["flags.json"])).on(FLAGS[2], "acme")
    assert json.loads(result["flags.json"])["flags"]["OTHER"] == OTHER
    assert (result["THEIRS"], result[FLAGS[0]]) == ("1", "false")


def test_what_others_write_in_between_is_kept(small: Small) -> None:
    """Another team's flag comes between our reading and our write: the server says so, and both are there."""
    put(small, {})
    once(small, lambda: put(small, {"OTHER": OTHER}))
    change = step(small)
    change.move(change.target(change.observe(change.names)), Pulse())
    document = json.loads(small.cluster.settings("cart-flags")["flags.json"])["flags"]
    assert set(document) == {"OTHER", *FLAGS}


def test_our_own_flag_changed_in_between_is_not_written_over(small: Small) -> None:
    """Somebody sets one of our flags between our reading and our write: refused by its name, and theirs stays."""
    put(small, {})
    once(small, lambda: put(small, {FLAGS[1]: OTHER}))
    change = step(small)
    to = change.target(change.observe(change.names))
    with pytest.raises(ModifiedExternally, match=FLAGS[1]):
        change.move(to, Pulse())
    assert json.loads(small.cluster.settings("cart-flags")["flags.json"]) == {"flags": {FLAGS[1]: OTHER}}
