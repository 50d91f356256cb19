"""The names of the preflight's checks, and which of them somebody chose to skip, with the reason."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from cartctl.checks.results import warned
from cartctl.config.keys import did_you_mean
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.errors import UsageError

CHECKS = {  # name → what it verifies
    "database": "connection, server version, roles and their rights, existing objects, settings, free connections and disk space",
    "blockers": "sessions and transactions whose locks the migrations would wait for",
    "migrations": "the expected migrations are pending or applied, in order, and none is half applied",
    "restore": "with --restore-carts: the rows can be restored",
    "dump": "client tools, readable tables and room for a dump",
    "backup": "the latest snapshot or backup is recent and complete",
    "recovery": "WAL archiving works, so that the server can be restored to a point in time",
    "cluster": "deployments, images, permissions, quotas and owners",
    "api": "the API responds",
    "dashboard": "the dashboard responds",
    "token": "the API accepts the token, which belongs to one company",
    "metrics": "each metric has one fresh sample",
    "redis": "Redis responds and accepts the commands of the invalidation",
    "flags": "the flag document can be read, and every replica reports the same flags",
    "code": "the configured JUnit files and commands",
    "window": "the time is in the deployment window and outside every freeze",
    "attestations": "reviews and open issues, as attested",
    "signoff": "every required role has approved this deployment",
    "proof": "the environment that must come first has deployed the same",
    "rehearsal": "the migrations were rehearsed",
}
NAMES = tuple(CHECKS)


SKIPPED_HINT = "Check it manually, or run without --skip."
NEVER_SKIPPED = ("migrations", "window", "signoff")  # facts and decisions that nobody may waive


def skipped(name: str, reason: str) -> Callable[[Pulse], Iterator[CheckResult]]:
    """A check that is skipped as a whole: one warning with the reason."""

    def ask(_: Pulse) -> Iterator[CheckResult]:
        yield warned(name, f"skipped: {reason}", "checked", SKIPPED_HINT)

    return ask


def require_known(names: Iterable[str]) -> None:
    """Raise UsageError for a name that is not a check's."""
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"Unknown preflight check {name}{did_you_mean(name, NAMES)}",
                hint=f"Available: {', '.join(NAMES)}.",
            )


def require_skippable(skip: Iterable[str]) -> None:
    """A skip is a check's name or the name of one of its results; what those are is known once they are there."""
    for name in skip:
        whole = name.partition(".")[0]
        require_known([whole])
        if whole in NEVER_SKIPPED:
            hint = "outside the window: --outside-window" if whole == "window" else ""
            raise UsageError(
                f"The preflight check {name} cannot be skipped.",
                hint=f"Never skipped: {', '.join(NEVER_SKIPPED)}{f'; {hint}' if hint else ''}.",
            )


def apply_skips(
    results: Sequence[CheckResult], skip: Mapping[str, str], only: Sequence[str]
) -> Iterator[CheckResult]:
    """The results, with a warning in place of each that is skipped by its own name. Raises UsageError for a name that none has."""
    names = {result.name for result in results}
    for name in skip:
        whole, dot, _ = name.partition(".")
        if dot and whole in only and whole not in {*skip, *names} and name not in names:
            there = ", ".join(sorted(one for one in names if one.startswith(f"{whole}.")))
            raise UsageError(
                f"Unknown preflight check {name}{did_you_mean(name, names)}", hint=f"Available: {there}."
            )
    for result in results:
        reason = skip.get(result.name)
        named = reason is not None and result.name not in NAMES
        yield warned(result.name, f"skipped: {reason}", result.expected, SKIPPED_HINT) if named else result
