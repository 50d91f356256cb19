"""Copies of the repository in which mutants are made, and the tests run there."""

import compileall
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from py_compile import PycInvalidationMode
from types import TracebackType
from typing import Self
from xml.etree import ElementTree as ET

from cosmic_ray.mutating import apply_mutation
from cosmic_ray.plugins import get_operator
from coverage import CoverageData

from tests.mutants.sample import ROOT, Group, Mutant
from tests.mutants.worker import OUTPUT

BUDGET = 150.0  # seconds of tests for one mutant, quickest first: what only a slow test would notice counts as survivor
HANG_SECONDS = (
    30.0  # seconds beyond four times what its tests take without a mutant: one that hangs is noticed
)
BASELINE_TIMEOUT = 3600.0  # seconds for all tests once, with coverage
COVERAGE = (
    "--dist=no",  # any other value, and pytest-cov says nothing of which test ran a line
    *("-p", "pytest_cov.plugin", "--cov=cartctl", "--cov-context=test", "--cov-report="),
    *("--junit-xml=.times.xml", "-o", "junit_family=xunit1"),
)


class Trial:
    """A copy of the tracked files with a process that runs tests in it; the work tree stays as it is."""

    def __init__(self, home: Path) -> None:
        self._home = home
        _copy_tracked(home)

    def __enter__(self) -> Self:
        # The package comes before the installed one, in child processes too.
        environment = {"PYTHONPATH": str(self._home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "tests/mutants/worker.py"],
            cwd=self._home,
            env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._worker:
            self._worker.kill()

    def measure(self, groups: Sequence[Group]) -> None:
        """Run the groups' tests with coverage, once: which lines each runs, and how long it takes."""
        tests = dict.fromkeys(test for group in groups for test in group.tests)
        if self._run([*COVERAGE, *tests], BASELINE_TIMEOUT) != 0:
            output = (self._home / OUTPUT).read_text()
            raise SystemExit(f"The tests fail without any mutant.\n{output[-4000:]}")
        seconds = _durations(self._home / ".times.xml")
        data = CoverageData(str(self._home / ".coverage"))
        data.read()
        assert len(data.measured_contexts()) > 1, "coverage must know which test ran a line"
        for group in groups:
            group.seconds.update(
                (test, took) for test, took in seconds.items() if test.startswith(tuple(group.tests))
            )
            for module in group.modules:
                group.ran[str(module)] = _contexts(data, self._home / module)

    def attempt(self, mutant: Mutant) -> str:
        """The difference that no test noticed, or "". The file is as before afterwards."""
        path = self._home / mutant.spec.module_path
        before = path.read_text()
        operator = get_operator(mutant.spec.operator_name)()
        try:
            _, mutated = apply_mutation(path, operator, mutant.spec.occurrence)
            if mutated is None or mutated == before:
                return ""
            tests, seconds = mutant.tests(BUDGET)
            if self._run(["-x", *tests], HANG_SECONDS + 4 * seconds) == 0:
                return "".join(unified_diff(before.splitlines(True), mutated.splitlines(True), n=1))
        finally:
            path.write_text(before)
        return ""

    def _run(self, arguments: Sequence[str], seconds: float) -> int | None:
        assert self._worker.stdin
        assert self._worker.stdout
        self._worker.stdin.write(json.dumps([arguments, seconds]) + "\n")
        self._worker.stdin.flush()
        code: int | None = json.loads(self._worker.stdout.readline())
        return code


def _copy_tracked(target: Path) -> None:
    """The package is compiled with hashes: a mutated file is noticed even where its time and size are the same."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((ROOT / name).read_bytes())
    compileall.compile_dir(
        target / "cartctl", maxlevels=20, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )


def _durations(report: Path) -> dict[str, float]:
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - our own report
    return {f"{case.get('file')}::{case.get('name')}": float(case.get("time", 0)) for case in cases}


def _contexts(data: CoverageData, module: Path) -> dict[int, set[str]]:
    lines = data.contexts_by_lineno(str(module))
    return {
        line: {context.partition("|")[0] for context in contexts if context}
        for line, contexts in lines.items()
    }
