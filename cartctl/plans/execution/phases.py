"""A plan's phases, and a short description of each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cartctl.engine.model import Action, Change, Check, Restore, Skip, Step

NEVER_SKIPPED = ("snapshot", "migrate", "health.api", "maintenance.off", "workers.start", "prewarm.restore")
DEPLOYMENT_STEPS = {
    "gate.preparation": "wait until preparation begins",
    "preflight": "run all checks, before any change",
    "snapshot": "dump the database, verify and pin the dump",
    "announce": "announce the start of the window",
    "prewarm": "raise the API's replicas",
    "fingerprint": "record the catalogue",
    "gate.t0": "wait for the requested time",
    "workers.stop": "scale the workers to 0 and drain them",
    "maintenance.on": "respond with 503 to shoppers, allow admins",
    "migrate": "apply and verify the migrations",
    "carts.restore": "restore the saved rows",
    "hook.after_migrate": "run the configured command",
    "release.api": "set the API's image",
    "release.workers": "set the workers' image",
    "health.api": "check the new version's health",
    "endpoints": "compare responses with the database",
    "release.frontend": "set the dashboard's image",
    "cache": "invalidate the cached keys",
    "cdn": "purge static assets",
    "pages": "load the three pages",
    "smoke": "run all smoke tests and the critical paths",
    "monitor": "watch thresholds, triggers and logs",
    "report": "announce the outcome",
}
OTHER_STEPS = {  # of rollbacks and of the rollout
    "revision": "restore the templates of the named revisions",
    "flags": "write the feature flags",
    "flags.asked": "confirm the flags at every replica",
    "health.old": "check the previous version's health",
    "cart.gone": "confirm that the running version has no cart endpoints",
    "database": "drop the cart's tables and types",
    "catalogue": "compare with the fingerprint",
}
DESCRIPTIONS = {**DEPLOYMENT_STEPS, **OTHER_STEPS}


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


IRREVERSIBLE = {  # what no rollback reverts, by step
    "announce": "messages already sent",
    "migrate": "the tables: a rollback keeps them; `rollback --database` drops them and saves their rows",
    "carts.restore": "restored rows: they remain in the tables",
    "hook.after_migrate": "what the configured command did",
    "cache": "invalidated keys: they are filled again on use",
    "cdn": "purged assets: they are fetched again on use",
}


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps under one heading; `offset` is the planned time relative to the migration, such as T-60."""

    name: str
    offset: str
    steps: tuple[Step, ...]


def keys(phases: Sequence[Phase]) -> list[str]:
    """Every step's key, in order."""
    return [step.key for phase in phases for step in phase.steps]


def without(phases: Sequence[Phase], skipped: Mapping[str, str]) -> tuple[Phase, ...]:
    """The same phases with some steps replaced by Skips; `skipped` maps a step's key to the reason."""
    return tuple(
        replace(
            phase,
            steps=tuple(
                Skip(step.key, skipped[step.key]) if step.key in skipped else step for step in phase.steps
            ),
        )
        for phase in phases
    )


def describe(step: Step) -> str:
    """Describe a step briefly."""
    match step:
        case Restore():
            return f"revert {step.of}"
        case Skip():
            return step.reason
        case Change() | Action() | Check():
            return DESCRIPTIONS.get(step.key, "")
