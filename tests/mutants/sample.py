"""The mutants: those of each group of modules, which tests meet them, and a seeded sample of them."""

import random
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Mutations of `X | None` in annotations never load; `==` and `is` are the same for the enums compared here; nobody writes
# `<` for `is`: with None it never passes, with an enum it depends on the alphabet.
EXCLUDED = (
    *("BinaryOperator_BitOr", "Eq_Is", "Is_Eq", "NotEq_IsNot", "IsNot_NotEq", "RemoveDecorator"),
    *("Is_Lt", "Is_Gt", "IsNot_Lt", "IsNot_Gt"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Mutations that count as `equivalent` or may survive (`accepted`): where, and for which reason.

    `line` is a piece of the line before the mutation; without `file` it holds everywhere, without `operator` for all of them.
    """

    line: str
    reason: str
    file: str = ""
    operator: str = ""

    def fits(self, spec: MutationSpec, line: str) -> bool:
        """Whether it speaks of this mutation."""
        return (
            self.line in line
            and spec.module_path.match(self.file or "*")
            and self.operator in spec.operator_name
        )


@dataclass(frozen=True, eq=False)
class Group:
    """Modules, and the tests that are responsible for them."""

    name: str
    modules: list[Path]  # below the root
    tests: list[str]
    seconds: dict[str, float] = field(default_factory=dict)  # of each test
    ran: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # module → line → tests


@dataclass(frozen=True, eq=False)
class Mutant:
    """One mutation of one group's module."""

    group: Group
    spec: MutationSpec
    line: str  # before the mutation

    @property
    def name(self) -> str:
        """Stable while the line does not move: file, line and operator."""
        return f"{self.spec.module_path}:{self.spec.start_pos[0]} {self.spec.operator_name.removeprefix('core/')}"

    def tests(self, budget: float) -> tuple[list[str], float]:
        """The tests to meet, quickest first, and the seconds they take: together at most `budget`, but at least one.

        They are those that ran the line; the module's for a line that runs when it is loaded, the group's where only
        child processes ran it.
        """
        lines = self.group.ran.get(str(self.spec.module_path), {})
        met = lines.get(self.spec.start_pos[0]) or set().union(*lines.values()) or set(self.group.seconds)
        chosen, total = list[str](), 0.0
        for test in sorted(met, key=lambda test: (self.group.seconds.get(test, 0.0), test)):
            total += self.group.seconds.get(test, 0.0)
            if chosen and total > budget:
                break
            chosen.append(test)
        return chosen, total


def read_groups(names: Sequence[str]) -> list[Group]:
    """The groups of mutants.toml whose name, or its part before the dash, is given; all without names."""
    tables = tomllib.loads((HERE / "mutants.toml").read_text())
    return [
        Group(name, _modules(table), table["tests"])
        for name, table in tables.items()
        if not names or name in names or name.partition("-")[0] in names
    ]


def read_rules(name: str) -> list[Rule]:
    """A table of accepted.toml."""
    tables = tomllib.loads((HERE / "accepted.toml").read_text())
    return [Rule(**table) for table in tables[name]]


def take_sample(groups: list[Group], size: int, seed: int) -> list[Mutant]:
    """One mutation of each of `size` places, the same for the same seed and code."""
    places: dict[tuple[str, tuple[int, int]], list[Mutant]] = defaultdict(list)
    for mutant in _all(groups):
        places[str(mutant.spec.module_path), mutant.spec.start_pos].append(mutant)
    chance = random.Random(seed)
    chosen = chance.sample(sorted(places), min(size, len(places)))
    return [chance.choice(places[place]) for place in chosen]


def take_lines(groups: list[Group], lines: Sequence[str]) -> list[Mutant]:
    """Every mutation of some lines, each given as file:line."""
    return [
        mutant for mutant in _all(groups) if f"{mutant.spec.module_path}:{mutant.spec.start_pos[0]}" in lines
    ]


def _all(groups: list[Group]) -> Iterator[Mutant]:
    equivalent = read_rules("equivalent")
    for mutant in (mutant for group in groups for mutant in _mutants(group)):
        if not any(rule.fits(mutant.spec, mutant.line) for rule in equivalent):
            yield mutant


def _modules(table: dict[str, list[str]]) -> list[Path]:
    paths = {path.relative_to(ROOT) for pattern in table["modules"] for path in ROOT.glob(pattern)}
    paths -= {path.relative_to(ROOT) for pattern in table.get("except", ()) for path in ROOT.glob(pattern)}
    modules = sorted(path for path in paths if path.name != "__init__.py")
    if not modules:
        raise SystemExit(f"mutants.toml: no module matches {table['modules']}")
    return modules


def _mutants(group: Group) -> Iterator[Mutant]:
    with use_db(":memory:", WorkDB.Mode.create) as db:
        init([ROOT / module for module in group.modules], db, {})
        for item in db.work_items:
            (spec,) = item.mutations
            line = spec.module_path.read_text().splitlines()[spec.start_pos[0] - 1].strip()
            # A decorator is left alone: frozen or slots of a dataclass change nothing that a run can see.
            if not any(name in spec.operator_name for name in EXCLUDED) and not line.startswith("@"):
                yield Mutant(group, _below_root(spec), line)


def _below_root(spec: MutationSpec) -> MutationSpec:
    return MutationSpec(
        module_path=spec.module_path.relative_to(ROOT),
        operator_name=spec.operator_name,
        occurrence=spec.occurrence,
        start_pos=spec.start_pos,
        end_pos=spec.end_pos,
    )
