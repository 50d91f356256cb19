"""The replay of a recorded monitor or of a range of Prometheus, with an environment's thresholds or others."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.config.model.environment import Thresholds
from cartctl.config.values import parse_duration
from cartctl.errors import UsageError
from cartctl.monitoring.recording import Observation, read_recording
from cartctl.monitoring.replay import Replay, replay
from cartctl.monitoring.thresholds import rules_of
from cartctl.monitoring.triggers import SpanRule
from cartctl.ports import Ports

HINT = "Use a file of monitor -o json, a duration such as 24h, or FROM/TO such as 2026-12-01T10:00Z/2026-12-01T12:00Z."


def run_replay(ports: Ports, source: str, critical: Mapping[str, str]) -> Replay:
    """What the monitor would have reported for `source`: a recording, a duration until now, or FROM/TO. Read-only.

    `critical` replaces critical values by metric. Raises UsageError, InvalidInput for a recording and MetricsFailed.
    """
    env, monitor = ports.env, ports.env.monitor
    thresholds = with_critical(env.thresholds, critical)
    interval = env.metrics.scrape_interval if env.metrics else timedelta(seconds=15)
    window = ports.rate_window
    gap = monitor.longest_gap(interval)
    return replay(
        _observations(ports, source),
        rules_of(thresholds, staleness=window, minimum_requests=monitor.minimum_requests),
        SpanRule(thresholds.error_rate.rollback_after.total_seconds(), gap.total_seconds(), window),
        critical_failures=monitor.critical_failures,
        cooldown=monitor.cooldown.total_seconds(),
        blind_limit=monitor.blind_limit.total_seconds(),
    )


def _observations(ports: Ports, source: str) -> Iterator[Observation]:
    path = Path(source).expanduser()
    if path.exists():
        return read_recording(path)
    since, until = replay_range(source, time.time())
    if ports.env.metrics is None or ports.env.metrics.kind != "prometheus":
        raise UsageError(
            "The metrics source has no history.",
            hint='Set metrics.kind = "prometheus", or replay a recording.',
        )
    every = ports.env.monitor.every.total_seconds()
    history = ports.new_metrics(connections=False).history(since, until, every)
    return (Observation(at, readings) for at, readings in history)


def replay_range(source: str, now: float) -> tuple[float, float]:
    """The times (seconds since 1970) that a duration or FROM/TO means. Raises UsageError."""
    begin, slash, end = source.partition("/")
    try:
        since, until = (
            (_time(begin), _time(end)) if slash else (now - parse_duration(source).total_seconds(), now)
        )
    except (ValueError, OverflowError) as wrong:
        raise UsageError(
            f"invalid --replay {source!r}: not a file, a duration or FROM/TO.", hint=HINT
        ) from wrong
    if not 0 <= since < until:
        raise UsageError(f"invalid --replay {source!r}: it must begin before it ends.", hint=HINT)
    return since, until


def _time(text: str) -> float:
    given = datetime.fromisoformat(text)
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def with_critical(thresholds: Thresholds, critical: Mapping[str, str]) -> Thresholds:
    """The thresholds with other critical values: a share such as 0.02, or a duration. Raises UsageError.

    A warning value above the new critical one no longer warns earlier.
    """
    changed = {}
    for name, text in critical.items():
        if name not in Thresholds.model_fields:
            known = ", ".join(Thresholds.model_fields)
            raise UsageError(f"unknown metric for --threshold: {name!r}.", hint=f"Metrics: {known}.")
        current = getattr(thresholds, name)
        value = _critical(name, text, is_share=isinstance(current.critical, float))
        changed[name] = current.model_copy(update={"critical": value})
    return thresholds.model_copy(update=changed)


def _critical(name: str, text: str, *, is_share: bool) -> float | timedelta:
    try:
        value: float | timedelta = float(text) if is_share else parse_duration(text)
    except ValueError as wrong:
        what = "a share such as 0.02" if is_share else "a duration such as 800ms"
        raise UsageError(f"invalid --threshold {name}={text}: it must be {what}.") from wrong
    if (not 0 < value <= 1) if isinstance(value, float) else value <= timedelta(0):
        limits = "above 0 and up to 1" if is_share else "longer than 0 s"
        raise UsageError(f"invalid --threshold {name}={text}: it must be {limits}.")
    return value
