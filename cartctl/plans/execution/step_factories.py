"""The steps of the plans, each with the adapters and the settings that it needs."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from cartctl.adapters.cluster import Image
from cartctl.adapters.flag_store import ConfigMapFlags, FileFlags, FlagStore
from cartctl.checks.catalogue import SameCatalogue
from cartctl.checks.log_errors import LogErrors
from cartctl.checks.probes.health import OldHealth
from cartctl.checks.running_images import running_images
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.targets import Targets
from cartctl.config.values import revealed
from cartctl.database.catalogue import read_catalogue
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.plan import plan_drop
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.database.migrations.pending import pending_identifiers
from cartctl.engine.model import Evidence, Skip, Step
from cartctl.errors import UsageError
from cartctl.monitoring.logs import LogRules
from cartctl.plans.execution.saved_rows import open_row_source, row_source_name
from cartctl.ports import Ports
from cartctl.snapshots.backup_providers import open_provider
from cartctl.snapshots.create import Subject
from cartctl.snapshots.storage.destination import open_store
from cartctl.steps.announce import Announce, AnnounceOutcome
from cartctl.steps.cache import InvalidateCache
from cartctl.steps.cdn import PurgeCdn
from cartctl.steps.database.backup import Backup
from cartctl.steps.database.drop import Drop
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.hook import Hook
from cartctl.steps.database.migrate import Migrate
from cartctl.steps.database.restore_rows import RestoreCarts
from cartctl.steps.database.snapshot import Snapshot
from cartctl.steps.flags import Flags, Target, names_in, off
from cartctl.steps.maintenance import Maintenance, MaintenanceProbe
from cartctl.steps.release import Release
from cartctl.steps.replicas import CRONJOB, DEPLOYMENT, Names, Replicas
from cartctl.steps.revision import Revision

NOT_CONFIGURED = "not configured"
ARRIVES = timedelta(minutes=3)  # a mounted ConfigMap reaches pods within two minutes
GROUPS = ("api", "workers", "frontend")
Results = Mapping[str, Any]  # results of a run's Actions so far
NONE: Results = MappingProxyType({})


def snapshot(ports: Ports) -> Step:
    """A verified and pinned dump, or the backup of another tool."""
    provider = open_provider(ports.env.database.snapshots)
    if provider is not None:
        return Backup(provider)
    return Snapshot(
        Subject(ports.env.name, ports.database, lambda connection: read_catalogue(connection).hash),
        open_store(ports.env),
        max_age=ports.env.resume_max_age,
    )


def announce(ports: Ports, key: str) -> Step:
    """Notify the stakeholders."""
    notifiers = ports.notifiers_on("window")
    return Announce(key, notifiers) if notifiers else Skip(key, NOT_CONFIGURED)


def announce_outcome(ports: Ports) -> Step:
    """Notify the stakeholders of the outcome."""
    finished, rolled_back = ports.notifiers_on("finished"), ports.notifiers_on("rolled_back")
    if not finished and not rolled_back:
        return Skip("report", NOT_CONFIGURED)
    return AnnounceOutcome("report", finished, rolled_back)


def prewarm(ports: Ports) -> Step:
    """More replicas of the API, or more of its autoscaler's minimum."""
    more = ports.env.cluster.prewarm
    if not more:
        return Skip("prewarm", NOT_CONFIGURED)
    return replicas(ports, "prewarm", lambda: tuple(ports.cluster.scalers(more)), more)


def replicas(ports: Ports, key: str, names: Names, more: Mapping[str, int] | None = None) -> Replicas:
    """Sizes: `more` by deployment, or 0."""
    return Replicas(
        key,
        names,
        ports.cluster,
        timeout=ports.env.release.timeout.total_seconds(),
        drain=ports.env.cluster.workers.drain.total_seconds(),
        new_size=(lambda name, size: size + more[name.partition("/")[2]])
        if more
        else (lambda _name, _size: 0),
    )


def workers_stop(ports: Ports) -> Step:
    """Background processors to 0, scheduled ones suspended."""
    workers = ports.env.cluster.workers
    names = (
        *[DEPLOYMENT + name for name in workers.deployments],
        *[CRONJOB + name for name in workers.cronjobs],
    )
    return replicas(ports, "workers.stop", names) if names else Skip("workers.stop", NOT_CONFIGURED)


def maintenance(ports: Ports, key: str = "maintenance.on", names: tuple[str, ...] = ()) -> Maintenance:
    """Maintenance mode, in effect at every replica of the API."""
    where, http = ports.env.cluster.maintenance, ports.env.http
    return Maintenance(
        key,
        names or (f"{where.configmap}/{where.key}",),
        ports.cluster,
        probe=MaintenanceProbe(
            ports.api_deployments, http.shopper_path, http.admin_path, ports.token, ports.api
        ),
        timeout=ARRIVES.total_seconds(),
        limit=where.limit,
    )


def fingerprint(ports: Ports, overrides: Mapping[str, str]) -> Step:
    """Record the catalogue before the migration, and the workers' images before they stop."""
    workers = tuple(images(ports, overrides)["workers"])
    return Fingerprint(
        ports.database,
        lambda: _running(release_of(ports, "release.workers", workers)),
        partial(pending_identifiers, settings=ports.env.database),
    )


def _running(workers: Release) -> dict[str, dict[str, str]]:
    current = workers.observe(workers.names)
    return {name: {image.ref: image.digest} for name, image in current.items() if image.digest}


def migrate(ports: Ports) -> Step:
    """The three migrations, applied and verified."""
    return Migrate(ports.database, ports.env.database)


def restore_carts(ports: Ports, source: str) -> Step:
    """Restore rows that a rollback saved, or those of a snapshot; they are looked for when the step runs."""
    name, opened = row_source_name(ports, source), partial(open_row_source, ports, source)
    return RestoreCarts(ports.database, ports.env.database, opened, name=name)


def hook(ports: Ports) -> Step:
    """The user's own command after the migration."""
    argv = ports.env.release.after_migrate
    given = revealed(ports.env.release.environment)
    return (
        Hook(argv, ports.env.release.timeout, given) if argv else Skip("hook.after_migrate", NOT_CONFIGURED)
    )


def images(ports: Ports, overrides: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Group → `deployment.container` → image, with `overrides` of the form `DEPLOYMENT[.CONTAINER]=REF` applied.

    Raises UsageError for a deployment that the plan does not release.
    """
    release = ports.env.release
    groups = {"api": dict(release.api), "workers": dict(release.workers), "frontend": dict(release.frontend)}
    for name, ref in overrides.items():
        matches = [
            (group, known)
            for group in GROUPS
            for known in groups[group]
            if name in {known, known.partition(".")[0]}
        ]
        if len(matches) != 1:
            every = ", ".join(known for group in GROUPS for known in groups[group]) or "none"
            raise UsageError(
                f"--image {name}={ref} does not match exactly one container of the plan.",
                hint=f"The plan releases: {every}.",
            )
        groups[matches[0][0]][matches[0][1]] = ref
    return groups


def release(ports: Ports, group: str, overrides: Mapping[str, str], results: Results = NONE) -> Step:
    """The images of one group of deployments; `results` hold the images of stopped ones."""
    requested = images(ports, overrides)[group]
    key = f"release.{group}"
    return (
        release_of(ports, key, tuple(requested), requested, results)
        if requested
        else Skip(key, NOT_CONFIGURED)
    )


def release_of(
    ports: Ports,
    key: str,
    names: tuple[str, ...],
    requested: Mapping[str, str] | None = None,
    results: Results = NONE,
) -> Release:
    """A release, or (without `requested`) one rebuilt from its evidence."""
    return Release(
        key,
        names,
        ports.cluster,
        timeout=ports.env.release.timeout.total_seconds(),
        images=requested,
        ran=lambda: (results.get("fingerprint") or {}).get("running", {}),
    )


def flag_store(ports: Ports) -> FlagStore:
    """The store of the feature flags."""
    where = ports.env.rollout.flags
    if where.file is not None:
        return FileFlags(where.file)
    return ConfigMapFlags(ports.cluster, where.configmap, where.key)


def flags(
    ports: Ports, key: str = "flags", names: tuple[str, ...] = (), target: Target | None = None
) -> Flags:
    """The feature flags, set to `target`; without one, to 0 % except for the internal companies."""
    store = flag_store(ports)
    return Flags(key, names or names_in(store), store, target or off(ports.env.rollout.internal_companies))


def revision(
    ports: Ports, key: str, names: tuple[str, ...], templates: Mapping[str, str] | None = None
) -> Revision:
    """Earlier templates, or (without `templates`) those of the evidence."""
    timeout = ports.env.release.timeout.total_seconds()
    return Revision(key, names, ports.cluster, timeout=timeout, targets=templates)


def old_health(ports: Ports, recorded: Callable[[], Mapping[str, Image]]) -> OldHealth:
    """The version that the code was reverted to: `recorded` gives its images by `deployment.container`."""
    return OldHealth("health.old", ports.api, running=lambda: running_images(ports.cluster, recorded()))


def recorded_images(evidence: Mapping[str, Evidence]) -> dict[str, Image]:
    """The images before each release, from the evidence alone. Pure."""
    return {
        name: Image(value["ref"], value.get("digest"))
        for change in evidence.values()
        if change.kind == Release.kind
        for name, value in change.before.items()
    }


def cache(ports: Ports) -> Step:
    """Cached keys, invalidated."""
    return (
        InvalidateCache(ports.redis, ports.env.cache.keys) if ports.redis else Skip("cache", NOT_CONFIGURED)
    )


def cdn(ports: Ports) -> Step:
    """Static assets, purged."""
    return PurgeCdn(ports.cdn) if ports.cdn else Skip("cdn", NOT_CONFIGURED)


def log_errors(ports: Ports, *, since: float = 1.0) -> LogErrors:
    """Errors about carts in the application's logs, from `since` seconds before the first sample."""
    return LogErrors(lambda: ports.log_tail(since=since), LogRules.of(ports.env.logs))


def smoke(ports: Ports) -> Step:
    """The full suite."""
    targets = Targets(ports.api, ports.shopper, ports.dashboard, ports.database)
    http = ports.env.http
    return Smoke(
        "smoke",
        targets,
        suites=http.suites,
        built_in=http.built_in,
        deadline=http.smoke_deadline.total_seconds(),
    )


def drop_plan(ports: Ports, results: Mapping[str, Any], allowed: Allowed) -> DropPlan:
    """What a database rollback would drop. Read-only. Raises Refused for a run without a recorded catalogue."""
    return plan_drop(ports.database, ports.env.database, results, allowed)


def drop(ports: Ports, allowed: Allowed) -> Step:
    """The cart's tables and types, dropped in one transaction."""
    return Drop(ports.database, ports.env.database, allowed)


def catalogue(ports: Ports, results: Mapping[str, Any]) -> Step:
    """The catalogue, against the fingerprint taken before the deployment."""
    return SameCatalogue(ports.database, results)
