"""What a sign-off of a deployment approves, from the configuration and the deployment's options alone."""

from typing import Any

from cartctl import __version__
from cartctl.config.model.environment import Environment
from cartctl.database.migrations.application.files import read_application
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.execution import step_factories
from cartctl.ports import Ports
from cartctl.signoff.subject import ApprovalSubject, ApprovedImage


def approval_subject(ports: Ports, options: DeployOptions, *, files: bool = True) -> ApprovalSubject:
    """The subject without attestations. Neither time nor window is part of it: those have checks of their own.

    Without `files`, the migrations are left empty: an approver need not have the application's files.

    Raises ConfigError for migration files that cannot be read, UsageError for an image that the plan does not release.
    """
    images = step_factories.images(ports, options.images)
    return ApprovalSubject(
        environment=_environment(ports.env),
        plan=_plan(ports.env, options),
        images={name: ApprovedImage.of(ref) for group in images.values() for name, ref in group.items()},
        migrations=_migrations(ports.env) if files else {},
    )


def _environment(env: Environment) -> dict[str, Any]:
    namespace = env.cluster_.namespace if env.cluster_ else None
    return {"name": env.name, "namespace": namespace}


def _plan(env: Environment, options: DeployOptions) -> dict[str, Any]:
    """The settings and options that decide which steps run. With this version of cartctl they determine the plan."""
    cluster = env.cluster_
    workers = (*cluster.workers.deployments, *cluster.workers.cronjobs) if cluster else ()
    return {
        "cartctl": __version__,
        "maintenance": env.maintenance,
        "monitor_seconds": (options.monitor_for or env.monitor.for_).total_seconds(),
        "auto_rollback": options.auto_rollback,
        "skip": sorted(options.skip),
        "restore_carts": options.restore_carts,
        "after_migrate": list(env.release.after_migrate),
        "prewarm": dict(cluster.prewarm) if cluster else {},
        "workers": list(workers),
        "cache": list(env.cache.keys) if env.cache.redis else [],
        "cdn": env.cache.cdn is not None,
    }


def _migrations(env: Environment) -> dict[str, str]:
    """The file of each migration that would run: the application's own where it is configured."""
    if env.database_ is None:
        return {migration.name: migration.checksum for migration in MIGRATIONS}
    application = read_application(env.database.migrations, ledger=False)
    return {migration.name: application.checksum(migration) for migration in MIGRATIONS}
