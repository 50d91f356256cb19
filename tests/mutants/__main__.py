"""Break the code on purpose, one place at a time, and see whether the tests notice: `make mutants`.

Cosmic Ray finds the places and makes the mutations; a seeded sample of them is taken, place by place, so that a comparison
with its many variants counts no more than a number. Each mutant meets the tests that ran its line. Survivors are printed
with their difference; those in accepted.toml, each with its reason, are counted apart.
"""

import argparse
import compileall
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue
from xml.etree import ElementTree as ET

from cosmic_ray.commands import init
from cosmic_ray.mutating import apply_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec
from coverage import CoverageData

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Mutations of `X | None` in annotations never load; `==` and `is` are the same for the enums compared here.
EXCLUDED = ("BinaryOperator_BitOr", "Eq_Is", "Is_Eq", "NotEq_IsNot", "IsNot_NotEq", "RemoveDecorator")
TIMEOUT = 300  # seconds for the tests of one mutant; a mutant that hangs is noticed


@dataclass(frozen=True, eq=False)
class Group:
    """Modules, and the tests that are responsible for them."""

    name: str
    modules: list[Path]  # below the root
    tests: list[str]
    ran: dict[str, dict[int, list[str]]] = field(
        default_factory=dict
    )  # module → line → tests, quickest first


@dataclass(frozen=True, eq=False)
class Mutant:
    """One mutation of one group's module."""

    group: Group
    spec: MutationSpec

    @property
    def name(self) -> str:
        """Stable while the line does not move: file, definition, operator and line."""
        return f"{self.spec.module_path}:{self.spec.start_pos[0]} {self.spec.operator_name.removeprefix('core/')}"

    def tests(self) -> list[str]:
        """The tests that ran the line, or all of the group when none did in their own process."""
        return (
            self.group.ran.get(str(self.spec.module_path), {}).get(self.spec.start_pos[0]) or self.group.tests
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sample; 0 when at least the wanted share of it was noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="mutants (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: %(default)s)")
    parser.add_argument("--at-least", type=float, default=0.9, help="share noticed (default: %(default)s)")
    parser.add_argument("groups", nargs="*", help="of mutants.toml (default: all)")
    given = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    groups = [group for group in _groups() if not given.groups or group.name in given.groups]
    with tempfile.TemporaryDirectory(prefix="mutants-") as work:
        copies = [Path(work) / str(number) for number in range(given.jobs)]
        _copy_tracked(copies[0])
        for group in groups:
            group.ran.update(_coverage(group, copies[0]))
        for copy in copies[1:]:
            shutil.copytree(copies[0], copy)  # keeps the times, and so the compiled tests
        sample = _sample([mutant for group in groups for mutant in _mutants(group)], given.sample, given.seed)
        results = _run(sample, copies)
    return _report(results, given.at_least)


def _groups() -> Iterator[Group]:
    for name, table in tomllib.loads((HERE / "mutants.toml").read_text()).items():
        modules = sorted(
            path.relative_to(ROOT) for pattern in table["modules"] for path in ROOT.glob(pattern)
        )
        if not modules:
            raise SystemExit(f"mutants.toml: no module matches {table['modules']} of [{name}]")
        yield Group(name, [path for path in modules if path.name != "__init__.py"], table["tests"])


def _copy_tracked(target: Path) -> None:
    """The tracked files, for mutants to be made in: the work tree stays as it is.

    The package is compiled with hashes: a mutated file is noticed even where its time and size are the same.
    """
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    compileall.compile_dir(
        target / "cartctl", maxlevels=20, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )


def _pytest(copy: Path, *arguments: str, timeout: float | None = None, compile_tests: bool = False) -> int:
    """Pytest's exit code in `copy`, whose package comes before the installed one in child processes too."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    if compile_tests:
        del environment["PYTHONDONTWRITEBYTECODE"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    with subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(timeout)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also the servers that its tests have started


def _coverage(group: Group, copy: Path) -> dict[str, dict[int, list[str]]]:
    arguments = ("--cov=cartctl", "--cov-context=test", "--cov-report=", "--junit-xml=.times.xml")
    if _pytest(copy, *arguments, "-o", "junit_family=xunit1", *group.tests, compile_tests=True) != 0:
        raise SystemExit(f"The tests of [{group.name}] fail without any mutant.")
    data = CoverageData(str(copy / ".coverage"))
    data.read()
    seconds = _durations(copy / ".times.xml")
    lines: dict[str, dict[int, list[str]]] = {}
    for module in group.modules:
        contexts = data.contexts_by_lineno(str(copy / module))
        lines[str(module)] = {
            line: sorted(
                {name.partition("|")[0] for name in names if name},
                key=lambda test: (seconds.get(test, 0.0), test),
            )
            for line, names in contexts.items()
        }
    return lines


def _durations(report: Path) -> dict[str, float]:
    """Seconds of each test: with the quickest first, most mutants are noticed soon."""
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - our own report
    return {f"{case.get('file')}::{case.get('name')}": float(case.get("time", 0)) for case in cases}


def _mutants(group: Group) -> Iterator[Mutant]:
    with use_db(":memory:", WorkDB.Mode.create) as db:
        init([ROOT / module for module in group.modules], db, {})
        for item in db.work_items:
            (spec,) = item.mutations
            if not any(name in spec.operator_name for name in EXCLUDED) and not _declares(spec):
                yield Mutant(group, _below_root(spec))


def _declares(spec: MutationSpec) -> bool:
    """Whether it is in a decorator: frozen or slots of a dataclass change nothing that a run can see."""
    line: str = spec.module_path.read_text().splitlines()[spec.start_pos[0] - 1]
    return line.lstrip().startswith("@")


def _below_root(spec: MutationSpec) -> MutationSpec:
    return MutationSpec(
        module_path=spec.module_path.relative_to(ROOT),
        operator_name=spec.operator_name,
        occurrence=spec.occurrence,
        start_pos=spec.start_pos,
        end_pos=spec.end_pos,
    )


def _sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """One mutation of each of `size` places, the same for the same seed and code."""
    places: dict[tuple[str, tuple[int, int]], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        places[str(mutant.spec.module_path), mutant.spec.start_pos].append(mutant)
    chance = random.Random(seed)
    chosen = chance.sample(sorted(places), min(size, len(places)))
    return [chance.choice(places[place]) for place in chosen]


def _run(sample: list[Mutant], copies: list[Path]) -> dict[Mutant, str]:
    """The difference of each survivor, "" for each mutant that was noticed."""
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def attempt(mutant: Mutant) -> str:
        copy = free.get()
        try:
            return _survives(mutant, copy)
        finally:
            free.put(copy)

    results: dict[Mutant, str] = {}
    with ThreadPoolExecutor(len(copies)) as pool:
        for number, (mutant, difference) in enumerate(zip(sample, pool.map(attempt, sample), strict=True), 1):
            results[mutant] = difference
            sys.stdout.write(
                f"{number}/{len(sample)} {'SURVIVED' if difference else 'killed'} {mutant.name}\n"
            )
            sys.stdout.flush()
    return results


def _survives(mutant: Mutant, copy: Path) -> str:
    """The difference that no test noticed, or "". The file is as before afterwards."""
    path = copy / mutant.spec.module_path
    before = path.read_text()
    operator = get_operator(mutant.spec.operator_name)()
    try:
        _, mutated = apply_mutation(path, operator, mutant.spec.occurrence)
        if mutated is None or mutated == before:
            return ""
        with suppress(subprocess.TimeoutExpired):
            if _pytest(copy, "-x", *mutant.tests(), timeout=TIMEOUT) == 0:
                return "".join(unified_diff(before.splitlines(True), mutated.splitlines(True), n=1))
    finally:
        path.write_text(before)
    return ""


def _report(results: dict[Mutant, str], at_least: float) -> int:
    accepted = tomllib.loads((HERE / "accepted.toml").read_text())["accepted"]
    survivors = [mutant for mutant, difference in results.items() if difference]
    known = {
        m
        for m in survivors
        if any(e["file"] == str(m.spec.module_path) and e["line"] in results[m] for e in accepted)
    }
    lines = [f"\n{mutant.name}\n{results[mutant]}" for mutant in survivors if mutant not in known]
    per_group = Counter(mutant.group.name for mutant in results)
    missed = Counter(mutant.group.name for mutant in survivors)
    lines += [
        f"{name}: {count - missed[name]} of {count} killed" for name, count in sorted(per_group.items())
    ]
    share = 1 - len(survivors) / len(results)
    lines.append(
        f"{len(results) - len(survivors)} of {len(results)} mutants killed ({share:.1%}), {len(known)} survivors accepted"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if share >= at_least else 1


if __name__ == "__main__":
    sys.exit(main())
