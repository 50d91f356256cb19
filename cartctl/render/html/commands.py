"""The command lines that repeat a run, show it again and continue from it. Pure."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from shlex import quote
from typing import Any

from pydantic import ValidationError

from cartctl.config.values import format_duration
from cartctl.engine.report import RunReport
from cartctl.plans.deploy.deploy_options import DeployOptions


def commands(run: RunReport, started: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a command does and the command itself: repeat, show, list, next."""
    env = f" --env {quote(run.env)}" if run.env else ""
    for command in filter(None, (_repeat(run, started),)):
        yield "run it again", f"cartctl {command}{env}"
    yield "write this page", f"cartctl report {quote(run.run)}{env} --html report.html"
    yield "for programs", f"cartctl report {quote(run.run)}{env} -o json"
    yield "all runs", f"cartctl history{env}"
    if run.next_command:
        yield "next", run.next_command


def _repeat(run: RunReport, started: Mapping[str, Any]) -> str | None:
    options, facts = started.get("asked") or {}, started.get("facts") or {}
    match run.plan:
        case "deploy":
            return " ".join(("deploy", *_deploy_options(options)))
        case "rollback":
            of = f" --run {quote(str(started['of']))}" if started.get("of") else ""
            return f"rollback{of}{' --database' if facts.get('database') else ''}"
        case "rollout":
            return f"rollout {quote(str(options.get('action', 'status')))}"
        case "rehearse":
            return "rehearse"
        case _:
            return None


def _deploy_options(recorded: Mapping[str, Any]) -> Iterator[str]:
    with suppress(ValidationError):
        options = DeployOptions.from_json(recorded)
        for name, ref in options.images.items():
            yield f"--image {quote(f'{name}={ref}')}"
        for step in options.skip:
            yield f"--skip {quote(step)}"
        if options.monitor_for is not None:
            yield f"--monitor-for {format_duration(options.monitor_for)}"
        if options.restore_carts:
            yield f"--restore-carts {quote(options.restore_carts)}"
        flags = {
            "--outside-window": options.outside_window,
            "--no-auto-rollback": not options.auto_rollback,
            "--force-owned": options.force_owned,
        }
        yield from (flag for flag, given in flags.items() if given)
