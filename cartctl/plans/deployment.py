"""The deployment of the cart, in order, on one screen."""

from datetime import UTC, datetime, timedelta

from cartctl.checks.endpoints import Endpoints
from cartctl.checks.health import Health
from cartctl.checks.monitor import Monitor
from cartctl.checks.pages import Pages
from cartctl.checks.wait import Until
from cartctl.engine.model import Restore, Skip, Step
from cartctl.monitoring.watch import Watch
from cartctl.plans import parts
from cartctl.plans.asked import Asked
from cartctl.plans.checklist import preflight_of
from cartctl.plans.phases import Phase
from cartctl.ports import Ports

PREPARATION = timedelta(minutes=60)
NEVER_SKIPPED = ("snapshot", "migrate", "health.api", "maintenance.off", "workers.start", "prewarm.restore")


def deployment(
    ports: Ports, watch: Watch, asked: Asked, results: parts.Results = parts.NONE
) -> tuple[Phase, ...]:
    """The whole plan of an environment; `results` is what the run has made, as it grows. Reads nothing from outside yet."""
    mode = ports.env.maintenance
    begin = parts.maintenance(ports) if mode != "none" else Skip("maintenance.on", 'maintenance = "none"')
    end = (
        Restore("maintenance.off", of="maintenance.on")
        if mode != "none"
        else Skip("maintenance.off", 'maintenance = "none"')
    )
    return (
        Phase("1 Preparation", "T-60", (
            *gate("gate.preparation", asked.at and asked.at - PREPARATION),
            preflight_of(ports, asked),
            parts.snapshot(ports),
            parts.announce(ports, "announce"),
            parts.prewarm(ports),
            parts.fingerprint(ports, asked.images),
        )),
        Phase("2 Migration", "T-0", (
            *gate("gate.t0", asked.at),
            parts.workers_stop(ports),
            begin,
            parts.migrate(ports),
            *([parts.restore_carts(ports, asked.restore_carts)] if asked.restore_carts else []),
            *([end] if mode != "plan" else []),
            parts.hook(ports),
        )),
        Phase("3 Backend", "T+5", (
            parts.release(ports, "api", asked.images, results),
            parts.release(ports, "workers", asked.images, results),
            Health("health.api", ports.api),
            Endpoints("endpoints", ports.api, ports.database),
        )),
        Phase("4 Frontend", "T+15", (
            parts.release(ports, "frontend", asked.images, results),
            parts.cache(ports),
            parts.cdn(ports),
            Pages("pages", ports.dashboard) if ports.dashboard else Skip("pages", "not configured"),
        )),
        Phase("5 Verification", "T+20", (
            *([end] if mode == "plan" else []),
            Restore("workers.start", of="workers.stop"),
            parts.smoke(ports),
            Monitor("monitor", watch, asked.monitor_for or ports.env.monitor.for_, parts.log_errors(ports)),
            Restore("prewarm.restore", of="prewarm"),
            parts.announce_outcome(ports),
        )),
    )  # fmt: skip


def gate(key: str, at: datetime | None) -> tuple[Step, ...]:
    """A step that waits for a time, when one is asked for."""
    return (Until(key, at, lambda: datetime.now(UTC)),) if at else ()
