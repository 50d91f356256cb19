"""Break the code on purpose, one place at a time, and see whether the tests notice: `make mutants`.

Cosmic Ray finds the places and makes the mutations; a seeded sample of them is taken, place by place, so that a comparison
with its many variants counts no more than a number. Each mutant meets the quick tests that ran its line. Survivors are
printed with their difference; those in accepted.toml, each with its reason, are counted apart.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.sample import Mutant, read_groups, read_rules, take_lines, take_sample
from tests.mutants.trial import Trial


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sample; 0 when at least the wanted share of it was noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="mutants (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: %(default)s)")
    parser.add_argument("--at-least", type=float, default=0.9, help="share noticed (default: %(default)s)")
    parser.add_argument("--at", action="append", help="instead of a sample: a line, as FILE:LINE; repeatable")
    parser.add_argument("groups", nargs="*", help="of mutants.toml (default: all)")
    given = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    groups = read_groups(given.groups)
    sample = take_lines(groups, given.at) if given.at else take_sample(groups, given.sample, given.seed)
    if not sample:
        raise SystemExit("There is nothing to break there.")
    with tempfile.TemporaryDirectory(prefix="mutants-") as work, ExitStack() as stack:
        trials = [stack.enter_context(Trial(Path(work) / str(number))) for number in range(given.jobs)]
        trials[0].measure(groups)
        results = _run(sample, trials)
    return _report(results, given.at_least)


def _run(sample: list[Mutant], trials: list[Trial]) -> dict[Mutant, str]:
    """The difference of each survivor, "" for each mutant that was noticed."""
    free: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        free.put(trial)

    def attempt(mutant: Mutant) -> str:
        trial = free.get()
        try:
            return trial.attempt(mutant)
        finally:
            free.put(trial)

    results: dict[Mutant, str] = {}
    with ThreadPoolExecutor(len(trials)) as pool:
        for number, (mutant, difference) in enumerate(zip(sample, pool.map(attempt, sample), strict=True), 1):
            results[mutant] = difference
            verdict = "SURVIVED" if difference else "killed"
            sys.stdout.write(f"{number}/{len(sample)} {verdict} {mutant.name}\n{difference}")
            sys.stdout.flush()
    return results


def _report(results: dict[Mutant, str], at_least: float) -> int:
    accepted = read_rules("accepted")
    survivors = [mutant for mutant, difference in results.items() if difference]
    known = {each for each in survivors if any(rule.fits(each.spec, each.line) for rule in accepted)}
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
