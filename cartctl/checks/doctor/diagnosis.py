"""All parts of `doctor`: the machine's always, and those of the sections that an environment has."""

from collections.abc import Callable, Iterator
from typing import Protocol

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.checks.doctor import machine, systems
from cartctl.checks.preflight import Adapters
from cartctl.checks.preflight.api import check_api, check_dashboard, check_token
from cartctl.checks.preflight.metrics import check_metrics, rules_for
from cartctl.checks.preflight.preflight_check import PreflightCheck, run_checks
from cartctl.checks.preflight.redis import check_redis
from cartctl.checks.results import passed
from cartctl.config.model.environment import REQUIRED, Environment
from cartctl.engine.model import CheckResult, Checks
from cartctl.engine.pulse import Pulse

LIMIT = 60.0  # seconds; each adapter has a shorter limit of its own
Check = Callable[[Pulse], Iterator[CheckResult]]


class Systems(Adapters, Protocol):
    """The adapters of an environment, with the journal's own database."""

    @property
    def state(self) -> Postgres:
        """The database of the journal and the lock."""


def diagnose(adapters: Systems | None, pulse: Pulse) -> Checks:
    """The machine, and with `adapters` every configured system. Read-only. Raises the pulse's alarm."""
    checks = [*_machine(), *(_systems(adapters) if adapters is not None else ())]
    return Checks.of(run_checks([PreflightCheck(name, ask) for name, ask in checks], pulse, limit=LIMIT))


def _machine() -> Iterator[tuple[str, Check]]:
    yield "versions", lambda _: machine.check_versions()
    yield "state", lambda _: machine.check_state()
    yield "disk", lambda _: machine.check_disk()


def _systems(adapters: Systems) -> Iterator[tuple[str, Check]]:
    env = adapters.env
    yield "sections", lambda _: iter((_sections(adapters.env),))
    yield "programs", lambda _: machine.check_programs(env)
    if env.database_ is not None:
        yield from _database(adapters)
    if env.cluster_ is not None:
        yield "cluster", lambda _: systems.check_cluster(adapters.cluster)
    if env.http_ is not None:
        yield from _application(adapters)
    if env.metrics is not None:
        yield "metrics", lambda pulse: check_metrics(adapters.metrics, lambda _: None, rules_for(env), pulse)
    if env.cache.redis is not None:
        yield "redis", lambda _: check_redis(adapters.redis, env.cache.keys)


def _database(adapters: Systems) -> Iterator[tuple[str, Check]]:
    settings = adapters.env.database
    yield (
        "database",
        lambda _: systems.check_database(
            "database", adapters.database, settings.owner_role, journal=settings.state is None, migrates=True
        ),
    )
    if settings.state is not None:
        yield (
            "state_database",
            lambda _: systems.check_database(
                "state_database", adapters.state, None, journal=True, migrates=False
            ),
        )
    yield (
        "clock.database",
        lambda _: systems.check_clock("clock.database", lambda: systems.database_time(adapters.database)),
    )
    if not settings.snapshots.elsewhere:
        yield "tools", lambda _: systems.check_tools(adapters.database)


def _application(adapters: Systems) -> Iterator[tuple[str, Check]]:
    settings = adapters.env.http
    yield "api", lambda _: check_api(adapters.shopper)
    yield "clock.api", lambda _: systems.check_clock("clock.api", lambda: systems.api_time(adapters.shopper))
    if settings.token is not None:
        yield "token", lambda _: check_token(adapters.api, present=True)
    if settings.dashboard:
        yield "dashboard", lambda _: _dashboard(adapters.dashboard)


def _dashboard(dashboard: Http | None) -> Iterator[CheckResult]:
    return check_dashboard(dashboard) if dashboard is not None else iter(())


def _sections(env: Environment) -> CheckResult:
    present, missing = env.sections, [name for name in REQUIRED if name not in env.sections]
    without = f"; not configured: {', '.join(missing)}" if missing else ""
    return passed("sections", f"{', '.join(present) or 'none'}{without}")
