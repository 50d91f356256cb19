"""Which companies are enabled at a stage. Pure: counts are exact with `exact`, and an enabled company stays enabled."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from cartctl.config.model.stages import Stage
from cartctl.rollout.companies import Companies
from cartctl.rollout.document import Allocation, Setting
from cartctl.rollout.evaluation import TOTAL, Buckets


@dataclass(frozen=True, slots=True)
class Ground:
    """The input that does not change from stage to stage.

    `companies` are without the `internal` ones; `buckets` have the `seed`.
    """

    companies: Companies
    internal: tuple[str, ...]
    seed: str
    buckets: Buckets


@dataclass(frozen=True, slots=True)
class StagePreview:
    """A stage's counts; `target` is its percentage of the companies rounded up, `deviation` how far `enabled` is from it."""

    stage: str
    percent: Decimal
    eligible: int
    target: int
    enabled: int
    added: int
    removed: int
    deviation: int
    companies: tuple[str, ...]  # the companies that this stage adds


@dataclass(frozen=True, slots=True)
class Course:
    """All stages under one allocation."""

    allocation: Allocation
    stages: tuple[StagePreview, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """The companies that each stage adds, under the configured allocation and under the other one."""

    kind: ClassVar[str] = "preview"

    allocation: Allocation
    stages: tuple[StagePreview, ...]
    other: Course

    @property
    def removed(self) -> int:
        """How many companies would lose the feature."""
        return sum(stage.removed for stage in self.stages)


def target(percent: Decimal, count: int) -> int:
    """⌈percent · count⌉, in whole numbers so that a tenth of thirty is three."""
    return -(-int(percent * TOTAL / 100) * count // TOTAL)


def setting_for(
    ground: Ground,
    stage: Stage,
    allocation: Allocation,
    already: frozenset[str],
    listed: Iterable[str] = (),
) -> Setting:
    """The setting of a stage for companies of which `already` are on: they stay, whatever the allocation was.

    So do those of `listed`, the list until now, that are missing from the companies: they may come back.
    """
    pool = ground.companies.pool(beta=stage.beta)
    beta = tuple(sorted(pool)) if stage.beta and allocation == "fractional" else () if stage.beta else None
    bare = Setting(stage.percent, allocation, (), beta, ground.internal, ground.seed)
    if bare.everybody:
        return bare
    if allocation == "exact":
        missing = target(stage.percent, len(pool)) - sum(one in already for one in pool)
        more = ground.buckets.first((one for one in pool if one not in already), missing)
        return replace(bare, cohort=tuple(sorted({*already, *more, *listed})))
    enabled = already | frozenset(listed)
    return replace(bare, cohort=tuple(sorted(enabled - bare.members(enabled, ground.buckets))))


def course(
    ground: Ground, stages: Iterable[Stage], allocation: Allocation, already: frozenset[str]
) -> Iterator[StagePreview]:
    """Each stage on top of the one before it."""
    for stage in stages:
        now = setting_for(ground, stage, allocation, already).members(ground.companies.ids, ground.buckets)
        pool = ground.companies.pool(beta=stage.beta)
        count = target(stage.percent, len(pool))
        added = tuple(sorted(now - already))
        yield StagePreview(
            stage.name,
            stage.percent,
            len(pool),
            count,
            len(now),
            len(added),
            len(already - now),
            len(now) - count,
            added,
        )
        already = now


def preview(
    ground: Ground, stages: Sequence[Stage], allocation: Allocation, already: frozenset[str]
) -> Preview:
    """All stages under both allocations, from the companies that are on now."""
    other: Allocation = "fractional" if allocation == "exact" else "exact"
    return Preview(
        allocation,
        tuple(course(ground, stages, allocation, already)),
        Course(other, tuple(course(ground, stages, other, already))),
    )
