"""The limits in a display of samples: thresholds, and the durations and counts after which triggers fire."""

from collections.abc import Mapping
from dataclasses import dataclass

from cartctl.adapters.metrics.source import Metric
from cartctl.config.model.environment import Environment
from cartctl.monitoring.thresholds import Limits, rules_of


@dataclass(frozen=True, slots=True)
class Scale:
    """Limits by metric; `rollback_after` and `every` are seconds."""

    limits: Mapping[Metric, Limits]
    rollback_after: float
    critical_failures: int
    every: float

    @classmethod
    def of(cls, env: Environment) -> "Scale":
        """The scale of an environment."""
        rules = rules_of(env.thresholds, staleness=0, minimum_requests=env.monitor.minimum_requests)
        return cls(
            rules.limits,
            env.thresholds.error_rate.rollback_after.total_seconds(),
            env.monitor.critical_failures,
            env.monitor.every.total_seconds(),
        )
