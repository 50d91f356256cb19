"""One sample of the monitor, as `monitor` prints it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cartctl.adapters.metrics.source import Metric
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.thresholds import Judged
from cartctl.monitoring.triggers import TriggerState


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of a sample; `value` is null without a number."""

    name: Metric
    value: float | None
    unit: str
    verdict: Judged
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """One sample of all metrics, triggers and endpoints."""

    kind: ClassVar[str] = "tick"

    at: datetime
    metrics: tuple[Measure, ...]
    triggers: tuple[TriggerState, ...]
    probes: tuple[Probe, ...] = ()
