"""A plan's steps under their headings, and what each does in a few words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cartctl.engine.model import Action, Change, Check, Restore, Skip, Step

DESCRIPTIONS = {
    "preflight": "every check of the list, before anything changes",
    "snapshot": "dump the database, verified and pinned",
    "announce": "tell that the window opens",
    "prewarm": "raise the API's replicas",
    "fingerprint": "record the catalogue",
    "gate.t0": "wait for the time asked for",
    "workers.stop": "scale the workers to 0 and drain them",
    "maintenance.on": "shoppers get 503, admins are served",
    "migrate": "apply and verify the migrations",
    "carts.restore": "put the saved rows back",
    "hook.after_migrate": "run the configured command",
    "release.api": "set the API's image",
    "release.workers": "set the workers' image",
    "health.api": "health of the new version",
    "endpoints": "answers compared with the database",
    "release.frontend": "set the dashboard's image",
    "cache": "invalidate the cached keys",
    "cdn": "purge static assets",
    "pages": "the three pages load",
    "smoke": "the full suite, critical paths included",
    "monitor": "thresholds, triggers and the logs",
    "report": "announce the outcome",
    "revision": "put the named revisions' templates back",
    "flags": "write the feature flags",
    "flags.asked": "every replica says who is on",
    "health.old": "the old version answers",
    "cart.gone": "the version that serves knows no cart",
    "database": "drop the cart's tables and types",
    "catalogue": "compare with the fingerprint",
}


IN_PLACE = {  # what a step's change means while it is not reverted
    "prewarm": "replicas raised",
    "workers.stop": "workers stopped",
    "maintenance.on": "maintenance on",
    "release.api": "API released",
    "release.workers": "workers released",
    "release.frontend": "dashboard released",
    "flags": "flags changed",
    "revision": "revisions changed",
}


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps under one heading; `offset` is the document's time relative to the migration."""

    name: str
    offset: str
    steps: tuple[Step, ...]


def keys(phases: Sequence[Phase]) -> list[str]:
    """Every step's key, in order."""
    return [step.key for phase in phases for step in phase.steps]


def without(phases: Sequence[Phase], skipped: Sequence[str]) -> tuple[Phase, ...]:
    """The same phases with some steps replaced by Skips."""
    return tuple(
        replace(
            phase,
            steps=tuple(Skip(step.key, "--skip") if step.key in skipped else step for step in phase.steps),
        )
        for phase in phases
    )


def describe(step: Step) -> str:
    """What a step does, in a few words."""
    match step:
        case Restore():
            return f"put {step.of} back"
        case Skip():
            return step.reason
        case Change() | Action() | Check():
            return DESCRIPTIONS.get(step.key, "")
