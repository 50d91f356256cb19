"""Over random series without gaps, the exported trigger and the built-in one agree within one evaluation interval."""

import math
import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from cartctl.monitoring.export.documents import group
from cartctl.monitoring.export.promql import Names
from cartctl.monitoring.export.settings import RuleSettings
from cartctl.monitoring.triggers import Sample, Sign, SpanRule, error_rate_trigger, horizon
from tests.monitoring.export.prometheus import environment, promtool

EVERY, LIMIT, CRITICAL = 15, 60, 0.05
CONFIGURATION = """
monitor = { every = "15s" }
thresholds = { error_rate = { warning = 0.01, critical = 0.05, rollback_after = "60s" } }
"""
LENGTH = 600  # seconds of each series
SERIES = 40


def random_series(chance: random.Random) -> list[float]:
    """An error rate per second; each value lasts longer than an interval, so that every sampling sees it.

    Breaches that end in the very interval in which they would fire are left to chance by any sampling: there are none.
    """
    while True:
        values: list[float] = []
        while len(values) < LENGTH:
            rate = chance.choice((0.0, 0.01, CRITICAL, 0.0501, 0.2, 1.0))
            values += [rate] * chance.randint(EVERY + 1, 2 * LIMIT)
        lengths = [
            len(list(run)) for bad, run in groupby(values[:LENGTH], lambda rate: rate > CRITICAL) if bad
        ]
        if not any(LIMIT + EVERY <= length <= LIMIT + 2 * EVERY for length in lengths):
            return values[:LENGTH]


def built_in(values: list[float], settings: RuleSettings, phase: float) -> dict[int, bool]:
    """Whether the built-in trigger has fired at each second, with samples at `phase` and every interval after it."""
    rule = SpanRule(settings.rollback_after, settings.max_gap, settings.rules.staleness)
    samples: list[Sample] = []
    fired: dict[int, bool] = {}
    state = False
    for second in range(LENGTH):
        at = second + phase
        if second % EVERY == 0 and at < LENGTH:
            rate = values[math.floor(at)]
            samples.append(Sample(at, Sign.BREACH if rate > CRITICAL else Sign.GOOD, rate))
            samples = [one for one in samples if one.at > at - horizon(rule)]
            state = error_rate_trigger(samples, (), rule).state == "fired"
        fired[math.ceil(second + phase)] = state
    return fired


def expectations(values: list[float], settings: RuleSettings, phase: float) -> Iterator[tuple[int, bool]]:
    """The evaluations at which the built-in trigger has one state for an interval before and after."""
    fired = built_in(values, settings, phase)
    for at in range(2 * EVERY, LENGTH - 2 * EVERY, EVERY):
        around = {fired.get(second) for second in range(at - EVERY, at + EVERY + 1)}
        if len(around) == 1 and None not in around:
            yield at, bool(around.pop())


def one_test(number: int, settings: RuleSettings) -> tuple[dict[str, Any], int]:
    """The test for promtool of one random series, and how many evaluations it expects to fire."""
    chance = random.Random(number)
    values, phase = random_series(chance), chance.uniform(0.5, EVERY - 0.5)
    names = Names(settings.env)
    series = {
        names.series("error_rate", "value"): " ".join(f"{value:g}" for value in values),
        names.series("error_rate", "age_seconds"): f"1+0x{LENGTH}",
        names.series("error_rate", "requests"): f"1000+0x{LENGTH}",
    }
    expected = list(expectations(values, settings, phase))
    alert = 'count(ALERTS{alertname="CartRollbackErrorRate", alertstate="firing"}) or vector(0)'
    test = {
        "name": f"series {number}, phase {phase:.3f}",
        "interval": "1s",
        "input_series": [{"series": one, "values": given} for one, given in series.items()],
        "promql_expr_test": [
            {"expr": alert, "eval_time": f"{at}s", "exp_samples": [{"labels": "{}", "value": int(fires)}]}
            for at, fires in expected
        ],
    }
    return test, sum(fires for _, fires in expected)


def test_the_exported_trigger_agrees_with_the_built_in_one(tmp_path: Path) -> None:
    """Sampled at another time within the interval, on forty series of random breaches and recoveries."""
    settings = RuleSettings.of(environment(tmp_path, CONFIGURATION))
    tests = [one_test(number, settings) for number in range(SERIES)]
    assert sum(firing for _, firing in tests) > SERIES  # they fire, too
    rules = [rule for rule in group(settings)["rules"] if "error_rate" in str(rule)]  # the others cost time
    files = {
        "rules.yaml": {"groups": [{"name": "rules", "rules": rules}]},
        "agreement.yaml": {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": f"{EVERY}s",
            "tests": [test for test, _ in tests],
        },
    }
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    done = promtool("test", "rules", tmp_path / "agreement.yaml")
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[:4000]
