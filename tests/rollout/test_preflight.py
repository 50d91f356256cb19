"""The preflight's look at the flags, on a real sandbox."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from cartctl.checks.preflight.flags import check_flags
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.plans.rollout.decisions import RolloutOptions
from cartctl.plans.rollout.operations import set_percent, start
from cartctl.plans.rollout.record import began_with
from cartctl.rollout import evaluation
from cartctl.rollout.recorded_bucketing import freeze


def look(field: Any) -> dict[str, CheckResult]:
    """What the look finds, by name."""
    with field.ports() as ports:
        results = check_flags(
            field.env.rollout,
            ports.cluster,
            lambda: ports.database,
            ports.flags_endpoint,
            lambda: began_with(ports),
            Pulse(),
        )
        return {result.name: result for result in results}


def begun_at_zero(field: Any) -> None:
    """Nobody is on."""
    with field.ports() as ports:
        start(ports, field.now.date(), RolloutOptions(), field.view(), clock=field.clock)


def under_way(field: Any) -> None:
    """A quarter of the companies are on."""
    begun_at_zero(field)
    with field.ports() as ports:
        set_percent(ports, Decimal(25), RolloutOptions("x", force=True), field.view(), clock=field.clock)


def test_the_application_agrees(field: Any) -> None:
    """Without a rollout there is nothing to compare; with one, every replica answers as the library does."""
    assert "no rollout is in progress" in str(look(field)["flags"].observed)
    under_way(field)
    results = look(field)
    assert {result.verdict for result in results.values()} == {Verdict.PASS}
    assert "replicas agree on" in str(results["flags.application"].observed)


def test_an_application_that_answers_otherwise_fails(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that reads another file than the one that was written is found out by asking it."""
    under_way(field)
    kept = field.sandbox.cluster.settings("cart-flags")["flags.json"]
    other = json.loads(kept)
    other["$evaluators"]["cartctl_rollout"]["if"][2]["in"][1] = []
    field.sandbox.cluster.put_settings("cart-flags", {"flags.json": json.dumps(other)})
    monkeypatch.setattr("cartctl.checks.preflight.flags.AT_ONCE", 0.2)
    monkeypatch.setattr(
        "cartctl.adapters.supervisor.cluster.Processes.settings",
        lambda *_: {"flags.json": kept, "FEATURE_CART_MANAGEMENT": "false"},
    )
    result = look(field)["flags.application"]
    assert result.verdict is Verdict.FAIL
    assert "says FEATURE_CART_MANAGEMENT is off" in str(result.observed)


def test_another_seed_or_another_library_fails(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would put companies elsewhere is named before a deployment begins."""
    under_way(field)
    env = field.env
    field.env = env.model_copy(update={"rollout": env.rollout.model_copy(update={"seed": "another"})})
    assert look(field)["flags.seed"].verdict is Verdict.FAIL
    field.env = env
    monkeypatch.setattr(evaluation, "fractional", lambda *_: 3)
    assert look(field)["flags.library"].verdict is Verdict.FAIL


def test_what_the_start_recorded_counts(field: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout that began with other answers of the library is found out, also when this version's own table agrees."""
    real = freeze("cart")
    with monkeypatch.context() as patch:
        patch.setattr(
            "cartctl.plans.rollout.decisions.freeze", lambda _: replace(real, table=(*real.table[1:], 0))
        )
        begun_at_zero(field)
    result = look(field)["flags.record"]
    assert (result.verdict, "evaluated differently" in str(result.observed)) == (Verdict.FAIL, True)


def test_a_document_that_somebody_else_wrote_meanwhile_is_a_warning(field: Any) -> None:
    """While a rollout is under way its flags are as it left them, or it is said that they are not."""
    under_way(field)
    kept = json.loads(field.sandbox.cluster.settings("cart-flags")["flags.json"])
    kept["flags"]["FEATURE_CART_MANAGEMENT"]["defaultVariant"] = "on"
    field.sandbox.cluster.put_settings("cart-flags", {"flags.json": json.dumps(kept)})
    result = look(field)["flags"]
    assert (result.verdict, "modified externally" in str(result.observed)) == (Verdict.WARN, True)
