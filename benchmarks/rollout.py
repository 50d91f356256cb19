"""How long the rollout's own work takes: `python benchmarks/rollout.py [COMPANIES]`.

Previews all stages under both allocations, and tells the size of the document that `exact` writes and what one evaluation
of it costs.
"""

import json
import sys
import time
from decimal import Decimal

from cartctl.config.model.rollout import Rollout
from cartctl.config.model.stages import read_stages
from cartctl.errors import StepFailed
from cartctl.rollout.allocation import Ground, preview, setting_for
from cartctl.rollout.companies import Companies
from cartctl.rollout.document import Setting, put_in, render, write
from cartctl.rollout.evaluation import Buckets, Evaluation
from cartctl.rollout.flag_names import FLAGS

EVALUATIONS = 300


def ids(count: int) -> tuple[str, ...]:
    """Ids as long as a cuid."""
    return tuple(f"c{number:024d}" for number in range(count))


def previewed(count: int) -> None:
    """All stages, both allocations."""
    known = ids(count)
    ground = Ground(Companies(known, frozenset(known[::4])), ("avnz",), "cart", Buckets("cart"))
    under_way, cpu = time.perf_counter(), time.process_time()
    shown = preview(ground, read_stages(Rollout().stages), "exact", frozenset())
    took, used = time.perf_counter() - under_way, time.process_time() - cpu
    assert shown.removed == 0
    print(
        f"preview of {count} companies at {len(shown.stages)} stages, both allocations: {took:.2f} s ({used:.2f} s of CPU)"
    )


def written(count: int) -> None:
    """The document of a stage that has `count` companies on by list."""
    setting = Setting(Decimal(50), cohort=ids(count), internal=("avnz",))
    try:
        text = write(put_in({}, render(setting)), "a ConfigMap")
    except StepFailed as refused:
        print(f"exact, {count} companies on: refused: {refused.message}")
        return
    asked = Evaluation(json.loads(text))
    under_way = time.perf_counter()
    for number in range(EVALUATIONS):
        asked.on(FLAGS[0], f"c{number:024d}")
    each = (time.perf_counter() - under_way) / EVALUATIONS
    print(
        f"exact, {count} companies on: {len(text.encode()) / 1024:.0f} KiB, {each * 1e6:.0f} µs an evaluation"
    )


def shared(count: int) -> None:
    """The document of a share, which does not grow."""
    known = ids(count)
    ground = Ground(Companies(known), ("avnz",), "cart", Buckets("cart"))
    setting = setting_for(ground, read_stages(("0 50%",))[0], "fractional", frozenset())
    text = write(put_in({}, render(setting)), "a ConfigMap")
    print(f"fractional, half of {count} companies on: {len(text.encode()) / 1024:.1f} KiB")


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    previewed(size)
    for listed in (1_000, 10_000, 50_000):
        written(listed)
    shared(1_000)
