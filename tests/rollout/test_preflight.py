"""The preflight's look at the flags, on a real sandbox."""

import json
from decimal import Decimal
from typing import Any

import pytest

from cartctl.checks.preflight.flags import look_at_flags
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.plans.rollout_steps import Told
from cartctl.plans.rollout_verbs import set_percent, start
from cartctl.rollout import evaluation


def look(field: Any) -> dict[str, CheckResult]:
    """What the look finds, by name."""
    with field.ports() as ports:
        found = look_at_flags(
            field.env.rollout, ports.cluster, lambda: ports.database, ports.flags_door, Pulse()
        )
        return {result.name: result for result in found}


def begun(field: Any) -> None:
    """A quarter of the companies are on."""
    with field.ports() as ports:
        start(ports, field.now.date(), Told(), field.view(), clock=field.clock)
        set_percent(ports, Decimal(25), Told("x", force=True), field.view(), clock=field.clock)


def test_the_application_agrees(field: Any) -> None:
    """Without a rollout there is nothing to compare; with one, every replica answers as the library does."""
    assert "no rollout is under way" in str(look(field)["flags"].observed)
    begun(field)
    found = look(field)
    assert {result.verdict for result in found.values()} == {Verdict.PASS}
    assert "replicas agree on" in str(found["flags.application"].observed)


def test_an_application_that_answers_otherwise_fails(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that reads another file than the one that was written is found out by asking it."""
    begun(field)
    kept = field.sandbox.cluster.settings("cart-flags")["flags.json"]
    other = json.loads(kept)
    other["$evaluators"]["cartctl_rollout"]["if"][2]["in"][1] = []
    field.sandbox.cluster.put_settings("cart-flags", {"flags.json": json.dumps(other)})
    monkeypatch.setattr("cartctl.checks.preflight.flags.AT_ONCE", 0.2)
    monkeypatch.setattr(
        "cartctl.adapters.processes.Processes.settings",
        lambda *_: {"flags.json": kept, "FEATURE_CART_MANAGEMENT": "false"},
    )
    found = look(field)["flags.application"]
    assert found.verdict is Verdict.FAIL
    assert "says FEATURE_CART_MANAGEMENT is off" in str(found.observed)


def test_another_seed_or_another_library_fails(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would put companies elsewhere is named before a deployment begins."""
    begun(field)
    env = field.env
    field.env = env.model_copy(update={"rollout": env.rollout.model_copy(update={"seed": "another"})})
    assert look(field)["flags.seed"].verdict is Verdict.FAIL
    field.env = env
    monkeypatch.setattr(evaluation, "fractional", lambda *_: 3)
    assert look(field)["flags.library"].verdict is Verdict.FAIL
