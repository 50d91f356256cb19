"""Whether the same deployment has succeeded on another environment."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cartctl.adapters.cluster import Image
from cartctl.checks.results import failed, not_configured, passed, warned
from cartctl.engine.events import RunOutcome
from cartctl.engine.model import CheckResult

NEWEST = 50  # deployments of the other environment that are considered


@dataclass(frozen=True, slots=True)
class StagedRun:
    """A deployment of another environment, from its journal.

    `images` maps `deployment.container` to a reference, `migrations` has the SHA-256 of each file, `skipped` the steps and
    checks that were skipped on request, `rolled_back` the run that reverted it.
    """

    run: str
    ended: datetime
    outcome: str
    images: Mapping[str, str]
    migrations: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    rolled_back: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be proved: images by `deployment.container` and the SHA-256 of each migration."""

    images: Mapping[str, str]
    migrations: tuple[str, ...]


def check_proof(
    proved_on: str | None, release: Callable[[], Release], staged: Callable[[], Iterable[StagedRun]]
) -> Iterator[CheckResult]:
    """The newest deployment of `proved_on` with the same images and migrations succeeded and is in effect. Read-only."""
    if proved_on is None:
        yield not_configured("proof", "proved_on is not configured")
        return
    requested, others = release(), []
    expected = f"a successful deployment of the same images and migrations on {proved_on}"
    for run in islice(staged(), NEWEST):
        difference = _difference(run, requested)
        if not difference:
            yield _judge(run, proved_on, expected)
            return
        others.append(f"run {run.run} of {run.ended:%Y-%m-%d}: {difference}")
    observed = others[0] if others else f"no deployment on {proved_on}"
    yield failed("proof", observed, expected, f"cartctl deploy --env {proved_on}")


def _judge(run: StagedRun, proved_on: str, expected: str) -> CheckResult:
    hint = f"cartctl deploy --env {proved_on}"
    shown = f"run {run.run} on {proved_on}, {run.ended:%Y-%m-%d %H:%M} UTC"
    if run.outcome != RunOutcome.SUCCEEDED:
        return failed("proof", f"{shown}: {run.outcome.replace('_', ' ')}", expected, hint)
    if run.rolled_back:
        return failed("proof", f"{shown}: rolled back by run {run.rolled_back}", expected, hint)
    if run.skipped:
        observed = f"{shown}: succeeded without {', '.join(run.skipped)}"
        return warned("proof", observed, expected, f"Deploy there without --skip: {hint}")
    return passed("proof", f"{shown}: succeeded", expected)


def _difference(run: StagedRun, release: Release) -> str:
    """How a run differs from what is to be proved; empty when it does not."""
    if run.migrations != release.migrations:
        return "other migrations"
    staged = [_image(ref) for ref in run.images.values()]
    missing = sorted({ref for ref in release.images.values() if _image(ref) not in staged})
    return f"without {', '.join(missing)}" if missing else ""


def _image(ref: str) -> Image:
    """Equal to another image of the same reference, or of the same digest in any registry."""
    return Image(ref, ref.partition("@")[2] or None)
