"""Who is on at which stage: exact counts, nobody ever left out again, and the library's own answer for every company."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.config.model.rollout import Rollout
from cartctl.config.model.stages import Stage, read_stages
from cartctl.rollout.allocation import Ground, preview, setting_for, target
from cartctl.rollout.companies import Companies
from cartctl.rollout.document import Allocation, Setting, put_in, read_setting, render, write
from cartctl.rollout.evaluation import TOTAL, Buckets, Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.sandbox.data.seed import companies as sandbox_companies

STAGES = read_stages(Rollout().stages)
IDS = st.lists(
    st.text("abcdefghij0123456789-é$\\,\"' ", min_size=1, max_size=12), min_size=1, max_size=60, unique=True
)
ALLOCATIONS = st.sampled_from(("exact", "fractional"))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ground(ids: list[str], seed: str = "cart", internal: tuple[str, ...] = ("avnz",)) -> Ground:
    """Companies of which every third is beta."""
    return Ground(Companies(tuple(ids), frozenset(ids[::3])).without(internal), internal, seed, Buckets(seed))


@QUICK
@given(IDS, ALLOCATIONS)
def test_nobody_is_ever_omitted_again(ids: list[str], allocation: Allocation) -> None:
    """Through all stages a company that is on stays on, and the last stage has everybody."""
    shown = preview(ground(ids), STAGES, allocation, frozenset())
    assert shown.removed == 0
    assert sum(stage.removed for stage in shown.other.stages) == 0
    assert shown.stages[-1].enabled == len([one for one in ids if one != "avnz"])


@QUICK
@given(IDS)
def test_exact_counts_are_exact(ids: list[str]) -> None:
    """Each stage has its percentage of the companies, rounded up, and not one more."""
    shown = preview(ground(ids), STAGES, "exact", frozenset())
    for stage in shown.stages:
        assert stage.target == -(-int(stage.percent) * stage.eligible // 100)
        assert (stage.enabled, stage.deviation) == (stage.target, 0)


@QUICK
@given(IDS, st.lists(ALLOCATIONS, min_size=7, max_size=7))
def test_moving_between_the_two_keeps_everyone(ids: list[str], allocations: list[Allocation]) -> None:
    """Whatever allocation each stage has, a company that is on stays on."""
    here, already = ground(ids), frozenset[str]()
    for stage, allocation in zip(STAGES, allocations, strict=True):
        now = setting_for(here, stage, allocation, already).members(here.companies.ids, here.buckets)
        assert already <= now
        already = now


@QUICK
@given(IDS, IDS, ALLOCATIONS)
def test_a_list_that_grows_or_shrinks_flips_nobody(
    ids: list[str], others: list[str], allocation: Allocation
) -> None:
    """Companies that come or go between two stages change nothing for those that were on and are still there."""
    before, after = ground(ids), ground(list(dict.fromkeys([*ids[::2], *others])))
    on = setting_for(before, STAGES[3], allocation, frozenset()).members(before.companies.ids, before.buckets)
    now = setting_for(after, STAGES[4], allocation, on).members(after.companies.ids, after.buckets)
    assert on & set(after.companies.ids) <= now


@QUICK
@given(IDS, ALLOCATIONS, st.sampled_from(STAGES), st.sampled_from(("cart", "other seed", "é")))
def test_the_library_answers_what_was_counted(
    ids: list[str], allocation: Allocation, stage: Stage, seed: str
) -> None:
    """The written document, evaluated by the flags' library, has on exactly the companies that were counted, with all three flags."""
    here = ground(ids, seed)
    setting = setting_for(here, stage, allocation, frozenset(here.companies.ids[:2]))
    values = render(setting)
    assert read_setting(values) == setting
    document = Evaluation(json.loads(write(put_in({}, values), "a test")))
    counted = setting.members(ids, here.buckets)
    for one in ids:
        assert {document.on(flag, one) for flag in FLAGS} == {one in counted}


@pytest.mark.parametrize("weight", (0, 1, 999, 1000, 2500, 5000, 9999, TOTAL))
def test_a_share_is_the_companies_with_the_smallest_buckets(weight: int) -> None:
    """What the library's rule has on is what the order of buckets has first: one order behind both allocations."""
    buckets, ids = Buckets("cart"), [f"company-{number}" for number in range(400)]
    setting = Setting(Decimal(weight) / 100, "fractional")
    result = Evaluation(put_in({}, render(setting)))
    on = {one for one in ids if result.on(FLAGS[0], one)}
    assert (
        on
        == {one for one in ids if buckets.bucket(one) < weight}
        == {one for one in ids if buckets.below(one, weight)}
    )
    assert set(buckets.first(ids, len(on))) == on


def test_first_orders_by_bucket_then_id() -> None:
    """Asking for some gives the same companies as ordering all of them."""
    buckets, ids = Buckets("cart"), [f"c{number}" for number in range(3000)]
    ordered = sorted(ids, key=lambda one: (buckets.bucket(one), one))
    for count in (0, 1, 7, 300, 1500, 2999, 3000, 5000):
        assert set(Buckets("cart").first(ids, count)) == set(ordered[:count])


def test_forty_companies_as_the_plan_counts_them() -> None:
    """The sandbox's companies: 4, 10, 20, 30 with exact, other numbers with a share, both monotone."""
    known = sandbox_companies()
    here = Companies(tuple(one.id for one in known), frozenset(one.id for one in known if one.beta))
    stages = read_stages(("0 10%", "1 25%", "2 50%", "3 75%"))
    shown = preview(Ground(here, (), "cart", Buckets("cart")), stages, "exact", frozenset())
    assert [stage.enabled for stage in shown.stages] == [4, 10, 20, 30]
    deviations = [stage.deviation for stage in shown.other.stages]
    assert any(deviations)
    assert [stage.removed for stage in shown.other.stages] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("percent", "count", "expected"),
    ((10, 30, 3), (10, 31, 4), (0, 5, 0), (100, 7, 7), (25, 1, 1), ("0.01", 100_000, 10), ("33.33", 3, 1)),
)
def test_targets_are_whole_numbers_rounded_up(percent: int | str, count: int, expected: int) -> None:
    """A tenth of thirty is three: no binary fraction makes it four."""
    assert target(Decimal(percent), count) == expected


@pytest.mark.parametrize(("allocation", "other"), (("exact", "fractional"), ("fractional", "exact")))
def test_a_preview_has_the_other_allocation_beside_the_configured_one(
    allocation: Allocation, other: Allocation
) -> None:
    """Each with its own counts."""
    here = ground([f"c{number}" for number in range(40)])
    shown = preview(here, STAGES, allocation, frozenset())
    beside = preview(here, STAGES, other, frozenset())
    assert (shown.allocation, shown.other.allocation) == (allocation, other)
    assert (shown.stages, shown.other.stages) == (beside.other.stages, beside.stages)
    assert shown.stages != shown.other.stages


def test_a_fractional_stage_lists_only_those_that_its_share_leaves_out() -> None:
    """The list holds who was on already, or listed, and is not on by its bucket; never anybody new."""
    ids = [f"c{number}" for number in range(100)]
    here, stage = ground(ids, internal=()), Stage(0, 3, "half", Decimal(50))
    by_bucket = {one for one in ids if here.buckets.below(one, TOTAL // 2)}
    outside = sorted(set(ids) - by_bucket)
    already = frozenset([*sorted(by_bucket)[:3], *outside[:2]])
    setting = setting_for(here, stage, "fractional", already, listed=[outside[2], sorted(by_bucket)[3]])
    assert setting.cohort == tuple(outside[:3])
    assert setting.members(here.companies.ids, here.buckets) == by_bucket | set(outside[:3])
