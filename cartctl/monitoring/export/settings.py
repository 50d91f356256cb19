"""What the exported rules depend on, from an environment's configuration alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from cartctl.adapters.metrics.queries import default_queries, own_queries
from cartctl.adapters.metrics.source import Metric
from cartctl.config.model.environment import Environment
from cartctl.config.model.monitoring import Metrics
from cartctl.errors import ConfigError
from cartctl.monitoring.export.promql import string
from cartctl.monitoring.probes import CRITICAL_PATHS
from cartctl.monitoring.thresholds import Limits, Rules, rules_of

_ACTIVITY = "pg_stat_activity_count{%s}"
_CLIENTS = 'backend_type=~"|client backend"'  # older exporters do not have the label
_RESERVED = "max(pg_settings_superuser_reserved_connections)"


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """Names, thresholds and durations (in seconds) of one environment's rules.

    `queries` is PromQL by metric and part, as in `metrics.queries`, complete. `critical_paths` are addresses by name.
    """

    env: str
    every: float
    rules: Rules
    queries: Mapping[str, str]
    rollback_after: float
    max_gap: float
    blind_limit: float
    critical_failures: int
    probes: str
    probes_job: str
    critical_paths: Mapping[str, str]
    namespace: str | None
    native: bool  # the latencies are native histograms, which have a boundary near every value

    def has_boundaries(self, limits: Limits) -> bool:
        """Whether a metric comes from a histogram that may end below its threshold."""
        return limits.histogram and not self.native

    @classmethod
    def of(cls, env: Environment) -> "RuleSettings":
        """The settings of an environment. Raises ConfigError for queries that cannot be exported."""
        metrics, monitor = env.metrics or Metrics(kind="prometheus"), env.monitor
        window = metrics.rate_window.total_seconds()
        job = f"cartctl-{env.name}-critical-paths"
        api = env.http_.api.rstrip("/") if env.http_ else "http://localhost"
        return cls(
            env=env.name,
            every=monitor.every.total_seconds(),
            rules=rules_of(env.thresholds, staleness=window, minimum_requests=monitor.minimum_requests),
            queries=_queries(env, metrics, window),
            rollback_after=env.thresholds.error_rate.rollback_after.total_seconds(),
            max_gap=monitor.longest_gap(metrics.scrape_interval).total_seconds(),
            blind_limit=monitor.blind_limit.total_seconds(),
            critical_failures=monitor.critical_failures,
            probes=metrics.critical_paths or f"probe_success{{job={string(job)}}}",
            probes_job=job,
            critical_paths={name: f"{api}{path}" for name, path in CRITICAL_PATHS.items()},
            namespace=env.cluster_.namespace if env.cluster_ and env.cluster_.kind == "kubernetes" else None,
            native=metrics.histograms == "native",
        )


def _queries(env: Environment, metrics: Metrics, window: float) -> dict[str, str]:
    """The monitor's own queries; the database's connections, which it counts itself, from postgres_exporter."""
    native = metrics.histograms == "native"
    queries = default_queries(window, native=native) | own_queries(metrics.queries)
    if Metric.DB_CONNECTIONS not in queries:
        return queries | _connections(env)
    if f"{Metric.DB_CONNECTIONS}.timestamp" not in queries:
        raise ConfigError(
            "metrics.queries has db_connections without db_connections.timestamp: its age is unknown.",
            hint='For example: "db_connections.timestamp" = "max(timestamp(pg_stat_activity_count))"',
        )
    return queries


def _connections(env: Environment) -> dict[str, str]:
    database = env.database_
    limit, role = (database.connection_limit, database.app_role) if database else (None, None)
    if limit is None:
        used = _ACTIVITY % _CLIENTS
        size = f"(max(pg_settings_max_connections) - {_RESERVED})"
    else:
        used = _ACTIVITY % ", ".join([_CLIENTS, *([f"usename={string(role)}"] if role else [])])
        size = f"({limit} * count(count by (instance) (http_requests_total)))"
    return {
        Metric.DB_CONNECTIONS: f"sum({used}) / {size}",
        f"{Metric.DB_CONNECTIONS}.timestamp": f"max(timestamp({used}))",
    }
