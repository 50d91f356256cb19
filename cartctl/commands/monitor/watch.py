"""`cartctl monitor`: the thresholds and rollback triggers, watched outside a deployment."""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.monitor.replay import show_replay
from cartctl.commands.options import Options, Output
from cartctl.errors import CheckFailed, Inconclusive, UsageError

if TYPE_CHECKING:
    from cartctl.adapters.cluster import Held
    from cartctl.engine.model import Checks
    from cartctl.engine.pulse import Pulse
    from cartctl.monitoring.tick import Tick
    from cartctl.monitoring.watch import Watch
    from cartctl.ports import Ports


SETTLED = 5  # looks after the first, where that one could not judge


def watch_environment(
    ctx: typer.Context,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="How long to monitor, for example 30m [default: monitor.for]."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Take one sample and exit.")] = False,
    check_queries: Annotated[
        bool,
        typer.Option(
            "--check-queries", help="Check that the metrics source can evaluate the queries; do not monitor."
        ),
    ] = False,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar="FILE|DURATION|FROM/TO",
            help="Evaluate a recorded run, the last DURATION or a range from Prometheus; do not monitor.",
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="METRIC=VALUE",
            help="With --replay: another critical value, such as error_rate=0.02. May be repeated.",
        ),
    ] = None,
    auto_abort: Annotated[
        bool, typer.Option("--auto-abort", help="Abort the rollout (0 %) when a trigger fires.")
    ] = False,
    lease: Annotated[
        bool,
        typer.Option(
            "--lease",
            help="With --auto-abort in a cluster: monitor in only one of several processes, while a rollout is in progress.",
        ),
    ] = False,
) -> None:
    """Monitor the thresholds and rollback triggers.

    Changes nothing without --auto-abort. Exit code 7 when a trigger fires or a metric is critical, 6 when something could not be
    measured. With -o json, writes one sample per line.

    Examples:
        cartctl monitor --env production --for 2h
        cartctl monitor --env production --once
        cartctl monitor --env production --replay 24h --threshold error_rate=0.02
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.execution.run_monitor import new_watch
    from cartctl.ports import Ports

    if ctx.invoked_subcommand is not None:
        if for_ is not None or replay is not None or any((once, check_queries, threshold, auto_abort, lease)):
            raise UsageError(
                f"monitor {ctx.invoked_subcommand} does not accept these options.",
                hint=f"Remove the options before {ctx.invoked_subcommand}.",
            )
        return
    chosen = sum((for_ is not None, once, check_queries, replay is not None))
    _refuse_combinations(chosen, over_time=not (once or check_queries), auto_abort=auto_abort, lease=lease)
    options: Options = ctx.obj
    if replay is not None or threshold:
        show_replay(options, replay, threshold or [], auto_abort=auto_abort)
        return
    duration = _duration(for_)
    pulse = Pulse()
    with Ports(options.environment("database", "http")) as ports, interruptible(pulse):
        _refuse_invalid_queries(ports, options)
        if check_queries:
            checks = _queries(ports, pulse)
            options.show(checks)
            raise typer.Exit(checks.verdict.exit_code)
        watch = new_watch(ports)
        if once:
            _once(watch, pulse, options, _settle(ports))
            return
        duration = duration or ports.env.monitor.for_
        if lease:
            _watch_with_lease(watch, pulse, duration, options, ports)
        else:
            _watch(watch, pulse, duration, options, ports, auto_abort=auto_abort)


def _refuse_combinations(chosen: int, *, over_time: bool, auto_abort: bool, lease: bool) -> None:
    """Raise UsageError for options that exclude each other; `chosen` is the number of ways to use the command."""
    if auto_abort and not over_time:
        raise UsageError(
            "--auto-abort requires monitoring over time.", hint="Remove --once and --check-queries."
        )
    if lease and not auto_abort:
        raise UsageError(
            "--lease requires --auto-abort.",
            hint="Use both, as runbooks/kubernetes/monitor-deployment.yaml does.",
        )
    if chosen > 1:
        raise UsageError(
            "--for, --once, --check-queries and --replay exclude each other.", hint="Use one of them."
        )


def _duration(text: str | None) -> timedelta | None:
    from cartctl.config.values import duration_option

    return duration_option("--for", text) if text is not None else None


def _once(watch: "Watch", pulse: "Pulse", options: Options, settle: float) -> None:
    """Take one sample; triggers are evaluated over the source's history only.

    With too little traffic, take another after cartctl's own traffic has been scraped.
    """
    from cartctl.checks.monitor import Course

    try:
        watch.rebuild(datetime.fromtimestamp(0, UTC))
        tick = watch.tick()
        for _ in range(SETTLED):
            if not _awaits_traffic(tick):
                break
            pulse.pause(settle)
            tick = watch.tick()
    finally:
        watch.close()
    _show_sample(tick, options)
    fired = next((trigger for trigger in tick.triggers if trigger.state == "fired"), None)
    if fired:
        raise CheckFailed(
            f"Rollback trigger {fired.name} fired: {fired.detail}.", hint="cartctl rollback --plan"
        )
    course = Course()
    course.see(tick)
    _end(course.judge(-1.0), options)


def _awaits_traffic(tick: "Tick") -> bool:
    """Whether requests of our own may still decide what is undecided; they repair no source that fails."""
    from cartctl.monitoring.thresholds import MetricVerdict

    verdicts = {measure.verdict for measure in tick.metrics}
    return MetricVerdict.ERROR not in verdicts and not all(verdict.decided for verdict in verdicts)


def _watch_with_lease(
    watch: "Watch", pulse: "Pulse", duration: timedelta, options: Options, ports: "Ports"
) -> None:
    """Wait for the lease and for a rollout, then monitor it from its start."""
    from cartctl.plans.rollout.standing_monitor import await_rollout, hold_monitor_lease

    with hold_monitor_lease(ports, pulse, options.say) as held:
        since = await_rollout(ports, pulse, options.say)
        _watch(watch, pulse, duration, options, ports, auto_abort=True, since=since, held=held)


def _watch(
    watch: "Watch",
    pulse: "Pulse",
    duration: timedelta,
    options: Options,
    ports: "Ports",
    *,
    auto_abort: bool,
    since: datetime | None = None,
    held: "Held | None" = None,
) -> None:
    """Until the time is over or a trigger fires, which with `auto_abort` aborts the rollout.

    Reads the source's history from `since` on. Raises LockLost when the lease `held` was taken.
    """
    from cartctl.checks.monitor import Monitor
    from cartctl.monitoring.triggers import TriggerFired
    from cartctl.plans.execution.step_factories import log_errors
    from cartctl.plans.rollout.standing_monitor import alarm_if_lost

    view = options.monitor_view(ports.env, lambda tick: _show_sample(tick, options))

    def observe(tick: "Tick") -> None:
        view.sampled(tick)
        if held is not None:
            alarm_if_lost(held, pulse)

    watch.rebuild(since or datetime.fromtimestamp(0, UTC))
    try:
        pulse.progress = view.progress
        with view, watch.armed(pulse, observe=observe):
            checks = Monitor("monitor", watch, duration, log_errors(ports)).judge(pulse)
    except TriggerFired as fired:
        if held is not None:
            held.confirm()
        if auto_abort:
            _abort(ports, fired.message, options)
        raise CheckFailed(
            fired.message, hint="See what a rollback would do: cartctl rollback --plan"
        ) from fired
    _end(checks, options)


def _abort(ports: "Ports", why: str, options: Options) -> None:
    """Take the rollout back to 0 %. Raises typer.Exit where that did not come to its end."""
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.run import abort

    with options.view() as view:
        report = abort(ports, RolloutOptions(why), view, options.say)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _end(checks: "Checks", options: Options) -> None:
    """Nothing for a pass, a sentence for a warning, else the error with what was not as it should be."""
    from cartctl.engine.model import Verdict

    reasons = (f"{bad.name}: {bad.observed}".removesuffix(".") for bad in checks.bad())
    detail = "; ".join(reasons) or "nothing was measured"
    if checks.verdict is Verdict.FAIL:
        raise CheckFailed(
            f"Monitoring failed: {detail}.", hint="See what a rollback would do: cartctl rollback --plan"
        )
    if checks.verdict is Verdict.UNKNOWN:
        raise Inconclusive(f"Monitoring is inconclusive: {detail}.", hint="cartctl monitor --check-queries")
    for check in checks.checks:
        if check.verdict is Verdict.WARN:
            options.say(f"warning: {check.name}: {check.observed}")


def _show_sample(tick: "Tick", options: Options) -> None:
    if options.output is Output.JSON:
        from cartctl.render.json import write_line

        write_line(tick, sys.stdout)
    else:
        options.show(tick)


def _refuse_invalid_queries(ports: "Ports", options: Options) -> None:
    """Raise ConfigError for a configured query that the source cannot parse: it would never be measured."""
    from cartctl.checks.queries import invalid_queries
    from cartctl.config.load import refuse

    own = ports.env.metrics.queries if ports.env.metrics else {}
    if own and ports.metrics:
        refuse(options.config, options.env, invalid_queries(ports.metrics.query_facts(), own))


def _queries(ports: "Ports", pulse: "Pulse") -> "Checks":
    from cartctl.checks.queries import Queries
    from cartctl.monitoring.probes import Probes
    from cartctl.monitoring.thresholds import rules_of

    env, source = ports.env, ports.new_metrics()
    rules = rules_of(env.thresholds, staleness=source.window, minimum_requests=env.monitor.minimum_requests)
    try:
        interval = env.metrics.scrape_interval.total_seconds() if env.metrics else 15.0
        check = Queries("queries", source, Probes(ports.api), rules, settle=_settle(ports), interval=interval)
        return check.judge(pulse)
    finally:
        source.close()


def _settle(ports: "Ports") -> float:
    """Seconds after which what happened now has been scraped."""
    return 2 * ports.env.metrics.scrape_interval.total_seconds() if ports.env.metrics else 0.0
