"""The deployment plan's checklist as one check: every part with its evidence, evaluated side by side."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from cartctl.adapters.cluster import Cluster
from cartctl.adapters.http.client import Http
from cartctl.adapters.metrics.source import MetricsSource
from cartctl.adapters.postgres import Postgres
from cartctl.checks.flag_responses import FlagsEndpoint
from cartctl.checks.preflight.api import check_api, check_dashboard, check_token
from cartctl.checks.preflight.approval import ApprovalSources
from cartctl.checks.preflight.approval.proof import Release, check_proof
from cartctl.checks.preflight.approval.signoffs import check_attestations, check_signoffs
from cartctl.checks.preflight.approval.window import check_window
from cartctl.checks.preflight.blockers import check_blockers
from cartctl.checks.preflight.cluster import check_cluster, touched_images
from cartctl.checks.preflight.code import check_code
from cartctl.checks.preflight.database import check_database
from cartctl.checks.preflight.dump import (
    check_archive,
    check_backup,
    check_dump,
    check_provider,
    check_recovery,
)
from cartctl.checks.preflight.flags import check_flags
from cartctl.checks.preflight.metrics import check_metrics, rules_for
from cartctl.checks.preflight.migrations import Pending, check_migrations
from cartctl.checks.preflight.preflight_check import PreflightCheck, run_checks
from cartctl.checks.preflight.redis import Invalidates, check_redis
from cartctl.checks.preflight.rehearsal import check_rehearsal
from cartctl.checks.preflight.restore import Restoring, check_restore
from cartctl.checks.preflight.skips import NAMES, apply_skips, require_known, require_skippable, skipped
from cartctl.checks.results import not_configured
from cartctl.config.model.environment import Environment
from cartctl.engine.model import Check, CheckResult, Checks
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.monitoring.probes import Probes
from cartctl.signoff.judgement import SignoffSheet
from cartctl.snapshots.backup_providers import open_provider
from cartctl.snapshots.storage.destination import open_store, refuse_plain
from cartctl.snapshots.storage.local import Store

__all__ = ["NAMES", "Adapters", "Pending", "Preflight"]


class Adapters(Protocol):
    """The adapters of an environment. Accessing one may raise ConfigError, which fails the check that needs it."""

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
    """Checks everything that a deployment depends on.

    `migrations` asks the migration status; `images` are those of the command line. `only` names the checks wanted, `skip`
    those skipped, as a whole or by one result's name, with the reason. `follows` says that a run goes on from here and
    takes a snapshot; `outside_window` that its window is waived; `rehearsed` asks whether this very deployment of the
    database was rehearsed, `rollout` what a rollout that is under way began with (empty: none is), `restoring` whose rows
    are to be restored.
    """

    key = "preflight"

    def __init__(  # noqa: PLR0913 - each a way to shorten the list or to answer for it
        self,
        adapters: Adapters,
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
        approval: ApprovalSources = ApprovalSources(),  # noqa: B008 - frozen
    ) -> None:
        self._adapters = adapters
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
        self._approval = approval
        self._sheet: SignoffSheet | None = None
        require_known(self._only)
        require_skippable(self._skip)

    def judge(self, pulse: Pulse) -> Checks:
        """Every check's results. Read-only. Raises UsageError for a skip that no result has, and the pulse's alarm."""
        known, began = self._checks(), time.monotonic()
        checks = [
            PreflightCheck(name, skipped(name, self._skip[name]) if name in self._skip else known[name])
            for name in NAMES
            if name in self._only
        ]
        results = apply_skips(run_checks(checks, pulse), self._skip, self._only)
        return Checks.of(results, seconds=round(time.monotonic() - began, 3))

    def facts(self) -> Mapping[str, Any]:
        """The sign-offs that counted, with the fingerprint of what they approve; nothing where none are required."""
        if self._sheet is None:
            return {}
        rows = [{**asdict(row), "at": row.at and row.at.isoformat()} for row in self._sheet.rows]
        return {"signoffs": rows, "fingerprint": self._sheet.fingerprint}

    def _checks(self) -> dict[str, Callable[[Pulse], Iterator[CheckResult]]]:
        adapters, env = self._adapters, self._adapters.env
        database = env.database
        return {
            "database": lambda pulse: check_database(adapters.database, database, pulse),
            "blockers": lambda pulse: check_blockers(adapters.database, database, pulse),
            "migrations": lambda _: check_migrations(self._migrations),
            "restore": lambda pulse: check_restore(adapters.database, database, self._restoring(), pulse),
            "dump": self._dump,
            "backup": self._backup,
            "recovery": self._recovery,
            "cluster": lambda _: check_cluster(adapters.cluster, env, self._images),
            "api": lambda _: check_api(adapters.shopper),
            "dashboard": lambda _: _dashboard(adapters.dashboard),
            "token": lambda _: check_token(adapters.api, present=env.http.token is not None),
            "metrics": lambda pulse: check_metrics(
                adapters.metrics, lambda count: Probes(adapters.api).traffic(count), rules_for(env), pulse
            ),
            "redis": lambda _: check_redis(adapters.redis, env.cache.keys),
            "flags": lambda pulse: check_flags(
                env.rollout,
                adapters.cluster,
                lambda: adapters.database,
                adapters.flags_endpoint,
                self._rollout,
                pulse,
            ),
            "code": lambda pulse: check_code(env.preflight, pulse),
            "window": lambda _: check_window(env, self._now(), outside_allowed=self._outside_window),
            "attestations": lambda _: check_attestations(env.signoff, self._approval.sheet),
            "signoff": lambda _: check_signoffs(env.signoff, self._read_sheet),
            "proof": lambda _: check_proof(env.proved_on, self._release, self._approval.staged),
            "rehearsal": lambda _: check_rehearsal(env, self._migrations, self._rehearsed),
        }

    def _read_sheet(self) -> SignoffSheet:
        self._sheet = self._approval.sheet()
        return self._sheet

    def _release(self) -> Release:
        """What another environment must have proved."""
        containers = touched_images(self._adapters.env, self._images)
        images = {
            f"{deployment}.{container}": ref
            for deployment, refs in containers.items()
            for container, ref in refs.items()
        }
        return Release(images, tuple(migration.checksum for migration in MIGRATIONS))

    def _dump(self, pulse: Pulse) -> Iterator[CheckResult]:
        settings = self._adapters.env.database
        if settings.snapshots.elsewhere:
            yield not_configured("dump", "another tool makes the backup")
        else:
            yield from check_dump(self._adapters.database, settings, self._writable_store, pulse)

    def _backup(self, pulse: Pulse) -> Iterator[CheckResult]:
        settings = self._adapters.env.database.snapshots
        provider = open_provider(settings)
        if provider is not None:
            return check_provider(provider, settings.max_age, pulse, follows=self._follows)
        return check_backup(lambda: open_store(self._adapters.env), settings.max_age, follows=self._follows)

    def _recovery(self, pulse: Pulse) -> Iterator[CheckResult]:
        provider = open_provider(self._adapters.env.database.snapshots)
        if provider is not None:
            return check_archive(provider, pulse)
        return check_recovery(self._adapters.database)

    def _writable_store(self) -> Store:
        """Raises Refused where a snapshot would not be allowed."""
        refuse_plain(self._adapters.env)
        return open_store(self._adapters.env)


def _dashboard(dashboard: Http | None) -> Iterator[CheckResult]:
    if dashboard is None:
        yield not_configured("dashboard")
    else:
        yield from check_dashboard(dashboard)
