"""The deployment plan's checklist as one check: every look with its evidence, taken side by side."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cartctl.adapters.cluster import Cluster
from cartctl.adapters.http.client import Http
from cartctl.adapters.metrics.source import MetricsSource
from cartctl.adapters.postgres import Postgres
from cartctl.checks.flag_responses import FlagsEndpoint
from cartctl.checks.preflight.api import look_at_api, look_at_dashboard, look_at_token
from cartctl.checks.preflight.blockers import look_at_blockers
from cartctl.checks.preflight.cluster import look_at_cluster
from cartctl.checks.preflight.code import look_at_code
from cartctl.checks.preflight.database import look_at_database
from cartctl.checks.preflight.dump import (
    look_at_archive,
    look_at_backup,
    look_at_dump,
    look_at_provider,
    look_at_recovery,
)
from cartctl.checks.preflight.flags import look_at_flags
from cartctl.checks.preflight.look import Look, passed, take_all, warned
from cartctl.checks.preflight.metrics import look_at_metrics
from cartctl.checks.preflight.migrations import Pending, look_at_migrations
from cartctl.checks.preflight.people import look_at_proof, look_at_signoffs, look_at_window
from cartctl.checks.preflight.redis import Invalidates, look_at_redis
from cartctl.checks.preflight.rehearsal import look_at_rehearsal
from cartctl.checks.preflight.restore import Restoring, look_at_restore
from cartctl.config.model.environment import Environment
from cartctl.engine.model import Check, CheckResult, Checks
from cartctl.engine.pulse import Pulse
from cartctl.errors import UsageError
from cartctl.monitoring.probes import Probes
from cartctl.snapshots.backup_providers import open_provider
from cartctl.snapshots.storage.destination import open_store, refuse_plain
from cartctl.snapshots.storage.local import Store

__all__ = ["NAMES", "Parts", "Pending", "Preflight"]

NAMES = (
    "database",
    "blockers",
    "migrations",
    "restore",
    "dump",
    "backup",
    "recovery",
    "cluster",
    "api",
    "dashboard",
    "token",
    "metrics",
    "redis",
    "flags",
    "code",
    "window",
    "signoff",
    "proof",
    "rehearsal",
)


NEVER_SKIPPED = ("migrations", "window", "signoff")  # plan.md section 1: decisions and facts nobody may waive


class Parts(Protocol):
    """The adapters of an environment. Asking for one may raise ConfigError, which fails the look that asked."""

    @property
    def env(self) -> Environment:
        """Its configuration."""

    @property
    def database(self) -> Postgres:
        """The target."""

    @property
    def cluster(self) -> Cluster:
        """Where the application runs."""

    @property
    def api(self) -> Http:
        """The API, with the token."""

    @property
    def shopper(self) -> Http:
        """The API, as anybody."""

    @property
    def dashboard(self) -> Http | None:
        """The admin dashboard; None when not configured."""

    @property
    def metrics(self) -> MetricsSource | None:
        """Where figures come from; None when not configured."""

    @property
    def flags_endpoint(self) -> FlagsEndpoint:
        """Where the application says which flags a company has."""

    @property
    def redis(self) -> Invalidates | None:
        """The cache; None when not configured."""


class Preflight(Check):
    """Looks at everything a deployment stands on.

    `migrations` asks the migration status; `images` are those of the command line. `only` names the checks wanted, `skip` those skipped, as a whole or by one result's name, with the reason.
    `follows` says that a run goes on from here and takes a snapshot; `outside_window` that its window is waived; `rehearsed` asks whether this very deployment of the database was rehearsed,
    `rollout` what a rollout that is under way began with (empty: none is), `restoring` whose rows are to be restored.
    """

    key = "preflight"

    def __init__(  # noqa: PLR0913 - each a way to shorten the list or to answer for it
        self,
        parts: Parts,
        migrations: Callable[[], Pending],
        *,
        images: Mapping[str, str] | None = None,
        only: tuple[str, ...] = (),
        skip: Mapping[str, str] | None = None,
        follows: bool = False,
        outside_window: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rehearsed: Callable[[], bool] = lambda: False,
        rollout: Callable[[], Mapping[str, Any]] = dict,
        restoring: Callable[[], Restoring | None] = lambda: None,
    ) -> None:
        self._parts = parts
        self._migrations = migrations
        self._images = images or {}
        self._only = only or NAMES
        self._skip = skip or {}
        self._follows = follows
        self._outside_window = outside_window
        self._now = now
        self._rehearsed = rehearsed
        self._rollout = rollout
        self._restoring = restoring
        _require_known(self._only)
        _require_skippable(self._skip)

    def judge(self, pulse: Pulse) -> Checks:
        """Every check's results. Read-only. Raises UsageError for a skip that no result has, and the pulse's alarm."""
        questions = self._questions()
        checks = [
            Look(name, _skipped(name, self._skip[name]) if name in self._skip else questions[name])
            for name in NAMES
            if name in self._only
        ]
        return Checks.of(_without(take_all(checks, pulse), self._skip, self._only))

    def _questions(self) -> dict[str, Callable[[Pulse], Iterator[CheckResult]]]:
        parts, env = self._parts, self._parts.env
        database = env.database
        return {
            "database": lambda pulse: look_at_database(parts.database, database, pulse),
            "blockers": lambda pulse: look_at_blockers(parts.database, database, pulse),
            "migrations": lambda _: look_at_migrations(self._migrations),
            "restore": lambda pulse: look_at_restore(parts.database, database, self._restoring(), pulse),
            "dump": self._dump,
            "backup": self._backup,
            "recovery": self._recovery,
            "cluster": lambda _: look_at_cluster(parts.cluster, env, self._images),
            "api": lambda _: look_at_api(parts.shopper),
            "dashboard": lambda _: _dashboard(parts.dashboard),
            "token": lambda _: look_at_token(parts.api, present=env.http.token is not None),
            "metrics": lambda pulse: look_at_metrics(
                parts.metrics, lambda count: Probes(parts.api).traffic(count), _staleness(env), pulse
            ),
            "redis": lambda _: look_at_redis(parts.redis, env.cache.keys),
            "flags": lambda pulse: look_at_flags(
                env.rollout, parts.cluster, lambda: parts.database, parts.flags_endpoint, self._rollout, pulse
            ),
            "code": lambda pulse: look_at_code(env.preflight, pulse),
            "window": lambda _: look_at_window(env, self._now(), outside_allowed=self._outside_window),
            "signoff": lambda _: look_at_signoffs(env),
            "proof": lambda _: look_at_proof(env),
            "rehearsal": lambda _: look_at_rehearsal(env, self._migrations, self._rehearsed),
        }

    def _dump(self, pulse: Pulse) -> Iterator[CheckResult]:
        settings = self._parts.env.database
        if settings.snapshots.elsewhere:
            yield passed("dump", "another tool makes the backup")
        else:
            yield from look_at_dump(self._parts.database, settings, self._writable_store, pulse)

    def _backup(self, pulse: Pulse) -> Iterator[CheckResult]:
        settings = self._parts.env.database.snapshots
        provider = open_provider(settings)
        if provider is not None:
            return look_at_provider(provider, settings.max_age, pulse, follows=self._follows)
        return look_at_backup(lambda: open_store(self._parts.env), settings.max_age, follows=self._follows)

    def _recovery(self, pulse: Pulse) -> Iterator[CheckResult]:
        provider = open_provider(self._parts.env.database.snapshots)
        if provider is not None:
            return look_at_archive(provider, pulse)
        return look_at_recovery(self._parts.database)

    def _writable_store(self) -> Store:
        """Raises Refused where a snapshot would not be allowed."""
        refuse_plain(self._parts.env)
        return open_store(self._parts.env)


def _dashboard(dashboard: Http | None) -> Iterator[CheckResult]:
    if dashboard is None:
        yield passed("dashboard", "not configured")
    else:
        yield from look_at_dashboard(dashboard)


def _skipped(name: str, reason: str) -> Callable[[Pulse], Iterator[CheckResult]]:
    def ask(_: Pulse) -> Iterator[CheckResult]:
        yield warned(name, f"skipped: {reason}", "looked at", "")

    return ask


def _require_known(names: Iterable[str]) -> None:
    for name in names:
        if name not in NAMES:
            raise UsageError(f"Unknown preflight check {name}.", hint=f"There are: {', '.join(NAMES)}.")


def _require_skippable(skip: Iterable[str]) -> None:
    """A skip is a check's name or the name of one of its results; what those are is known once they are there."""
    for name in skip:
        whole = name.partition(".")[0]
        _require_known([whole])
        if whole in NEVER_SKIPPED:
            hint = "outside the window: --outside-window" if whole == "window" else ""
            raise UsageError(
                f"The preflight check {name} cannot be skipped.",
                hint=f"Never skipped: {', '.join(NEVER_SKIPPED)}{f'; {hint}' if hint else ''}.",
            )


def _without(
    results: Sequence[CheckResult], skip: Mapping[str, str], only: Sequence[str]
) -> Iterator[CheckResult]:
    """The results, with a warning in place of each that is skipped by its own name. Raises UsageError for a name that none has."""
    names = {result.name for result in results}
    for name in skip:
        whole, dot, _ = name.partition(".")
        if dot and whole in only and whole not in {*skip, *names} and name not in names:
            there = ", ".join(sorted(one for one in names if one.startswith(f"{whole}.")))
            raise UsageError(f"Unknown preflight check {name}.", hint=f"There are: {there}.")
    for result in results:
        reason = skip.get(result.name)
        named = reason is not None and result.name not in NAMES
        yield warned(result.name, f"skipped: {reason}", result.expected, "") if named else result


def _staleness(env: Environment) -> float:
    """Seconds after which a sample no longer counts: four scrapes, at least a minute."""
    every = env.metrics.scrape_interval.total_seconds() if env.metrics else 0.0
    return max(4 * every, 60.0)
