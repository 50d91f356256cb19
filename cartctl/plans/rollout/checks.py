"""The checks of a rollout run, each given the adapters it needs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cartctl.checks.flag_responses import FlagResponses
from cartctl.checks.gates import Gates, Past
from cartctl.engine.model import CheckResult
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.run_monitor import new_watch
from cartctl.plans.rollout.inputs import RolloutInputs
from cartctl.ports import Ports
from cartctl.rollout.gates import count_carts, judge_conversion

LOGS_BACK = timedelta(hours=1)  # a gate reads at most this much: a day of every replica's log is too large


def confirm_flags(
    ports: Ports, expected: Mapping[str, Mapping[str, bool]], *, optional: bool
) -> FlagResponses:
    """Confirm the flags at every replica of the API."""
    timeout = step_factories.ARRIVES.total_seconds()
    return FlagResponses(
        "flags.asked", ports.cluster, ports.flags_endpoint, expected, timeout=timeout, optional=optional
    )


def gates(inputs: RolloutInputs) -> Gates:
    """The gates of a stage. Close their watch afterwards."""
    ports = inputs.ports
    env, rate = ports.env, ports.env.thresholds.error_rate
    interval = env.metrics.scrape_interval.total_seconds() if env.metrics else 15.0
    past = Past(ports.metrics, rate.critical, rate.rollback_after.total_seconds(), interval)
    logs = step_factories.log_errors(ports, since=min(env.rollout.gate.lookback, LOGS_BACK).total_seconds())
    conversion = (lambda: _conversion(inputs)) if inputs.already else None
    every = env.monitor.every.total_seconds()
    smoke: Any = step_factories.smoke(ports)
    return Gates(new_watch(ports), past, smoke, logs, env.rollout.gate, conversion, every=every)


def _conversion(inputs: RolloutInputs) -> CheckResult:
    until = datetime.now(UTC)
    gate = inputs.ports.env.rollout.gate
    on = inputs.already | frozenset(inputs.ports.env.rollout.internal_companies)
    return judge_conversion(count_carts(inputs.ports.database, until - gate.lookback, until), on, gate)
