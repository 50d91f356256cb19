"""Reads a recorded run of the monitor, the lines of `monitor -o json`, back into readings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.inputs import MALFORMED, MEBIBYTE, InvalidInput, parse_json, read_text
from cartctl.monitoring.probes import Probe
from cartctl.monitoring.thresholds import MetricVerdict

LARGEST = 512 * MEBIBYTE  # bytes; a day at 15 s is about 8 MB

ENOUGH = 1e12  # requests, where a recording of an earlier version says only that there were enough


@dataclass(frozen=True, slots=True)
class Observation:
    """The readings at one time (seconds since 1970); `probes` is None where no critical path was tried."""

    at: float
    readings: Mapping[Metric, Reading]
    probes: tuple[Probe, ...] | None = None


def read_recording(path: Path) -> Iterator[Observation]:
    """The ticks of a file, in its order; other lines, such as a final error, are skipped. Raises InvalidInput with the line."""
    for number, line in enumerate(read_text(path, limit=LARGEST).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            document = parse_json(line)
            if document["kind"] == "tick":
                yield _observation(document)
        except MALFORMED as wrong:
            reason = (
                wrong.reason if isinstance(wrong, InvalidInput) else "not a line of monitor -o json output"
            )
            raise InvalidInput(
                f"line {number}: {reason}", path=path, hint="Record with: cartctl monitor -o json > FILE"
            ) from wrong


def _observation(tick: Mapping[str, Any]) -> Observation:
    at = _time(tick["at"])
    readings = {Metric(one["name"]): _reading(one, at) for one in tick["metrics"]}
    probes = tuple(
        Probe(str(one["name"]), one["ok"] is True, str(one["observed"])) for one in tick.get("probes", ())
    )
    return Observation(at, readings, probes or None)


def _reading(measure: Mapping[str, Any], at: float) -> Reading:
    """A verdict without data is kept. Recordings of earlier versions have a value and its verdict alone."""
    metric, verdict = Metric(measure["name"]), MetricVerdict(measure["verdict"])
    detail = str(measure.get("detail", ""))
    if verdict is MetricVerdict.ERROR:
        return Reading(metric, series=0, error=detail or "an error")
    if verdict is MetricVerdict.NO_DATA:
        return Reading(metric, series=0, partial=detail or "no data")
    value, sampled = measure["value"], measure.get("sampled_at")
    requests = measure.get("requests")
    if requests is None:
        requests = 0.0 if verdict is MetricVerdict.LOW_TRAFFIC else ENOUGH if sampled is None else None
    return Reading(
        metric,
        value=None if value is None else float(value),
        at=at if sampled is None else _time(sampled),
        age=float(measure.get("age_seconds") or 0.0),
        requests=requests,
        top_bucket=_boundary(measure),
        detail=detail,
    )


def _boundary(measure: Mapping[str, Any]) -> float | None:
    boundary = measure.get("highest_boundary")
    return float("inf") if boundary is None else float(boundary)


@lru_cache(maxsize=8)  # the metrics of a tick share the time of their sample
def _time(text: str) -> float:
    """Seconds since 1970. Raises ValueError for a time before."""
    seconds = datetime.fromisoformat(text).timestamp()
    if seconds < 0:
        raise ValueError(text)
    return seconds
