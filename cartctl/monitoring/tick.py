"""One sample of the monitor, as `monitor` prints it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.triggers import TriggerState


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of a sample; `value` is null without a number.

    `sampled_at` is when the newest sample behind it was taken, by the clock of the source, and `age_seconds` how old that was;
    `requests` are those in the rate window, `highest_boundary` is that of a latency's histogram in seconds.
    """

    name: Metric
    value: float | None
    unit: str
    verdict: MetricVerdict
    detail: str = ""
    sampled_at: datetime | None = None
    age_seconds: float | None = None
    requests: float | None = None
    highest_boundary: float | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """One sample of all metrics, triggers and endpoints."""

    kind: ClassVar[str] = "tick"

    at: datetime
    metrics: tuple[Measure, ...]
    triggers: tuple[TriggerState, ...]
    probes: tuple[Probe, ...] = ()
