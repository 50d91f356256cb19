"""The deployment of the cart, in order, on one screen."""

from datetime import UTC, datetime, timedelta

from cartctl.checks.monitor import Monitor
from cartctl.checks.probes.endpoints import Endpoints
from cartctl.checks.probes.health import Health
from cartctl.checks.probes.pages import Pages
from cartctl.checks.wait import Until
from cartctl.engine.model import Restore, Skip, Step
from cartctl.monitoring.watch import Watch
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.preflight import preflight
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.phases import Phase
from cartctl.ports import Ports

PREPARATION = timedelta(minutes=60)


def deployment(
    ports: Ports, watch: Watch, options: DeployOptions, results: step_factories.Results = step_factories.NONE
) -> tuple[Phase, ...]:
    """The whole plan of an environment; `results` is what the run has made, as it grows. Reads nothing from outside yet."""
    mode = ports.env.maintenance
    begin = (
        step_factories.maintenance(ports)
        if mode != "none"
        else Skip("maintenance.on", 'maintenance = "none"')
    )
    end = (
        Restore("maintenance.off", of="maintenance.on")
        if mode != "none"
        else Skip("maintenance.off", 'maintenance = "none"')
    )
    return (
        Phase("1 Preparation", "T-60", (
            *gate("gate.preparation", options.at and options.at - PREPARATION),
            preflight(ports, options),
            step_factories.snapshot(ports),
            step_factories.announce(ports, "announce"),
            step_factories.prewarm(ports),
            step_factories.fingerprint(ports, options.images),
        )),
        Phase("2 Migration", "T-0", (
            *gate("gate.t0", options.at),
            step_factories.workers_stop(ports),
            begin,
            step_factories.migrate(ports),
            *([step_factories.restore_carts(ports, options.restore_carts)] if options.restore_carts else []),
            *([end] if mode != "plan" else []),
            step_factories.hook(ports),
        )),
        Phase("3 Backend", "T+5", (
            step_factories.release(ports, "api", options.images, results),
            step_factories.release(ports, "workers", options.images, results),
            Health("health.api", ports.api),
            Endpoints("endpoints", ports.api, ports.database),
        )),
        Phase("4 Frontend", "T+15", (
            step_factories.release(ports, "frontend", options.images, results),
            step_factories.cache(ports),
            step_factories.cdn(ports),
            Pages("pages", ports.dashboard) if ports.dashboard else Skip("pages", "not configured"),
        )),
        Phase("5 Verification", "T+20", (
            *([end] if mode == "plan" else []),
            Restore("workers.start", of="workers.stop"),
            step_factories.smoke(ports),
            Monitor("monitor", watch, options.monitor_for or ports.env.monitor.for_, step_factories.log_errors(ports)),
            Restore("prewarm.restore", of="prewarm"),
            step_factories.announce_outcome(ports),
        )),
    )  # fmt: skip


def gate(key: str, at: datetime | None) -> tuple[Step, ...]:
    """A step that waits for a requested time; no step without one."""
    return (Until(key, at, lambda: datetime.now(UTC)),) if at else ()
