"""What was probably meant by a wrong command line: the nearest name, or the name for a habit from another tool."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

OPTIONS: dict[
    str, tuple[str, ...]
] = {  # an option of kubectl, Helm, Alembic, Terraform … → ours, in order of preference
    "--all-namespaces": ("--env",),
    "--assume-yes": ("--yes",),
    "--auto-approve": ("--yes",),
    "--check": ("--plan", "--check-queries"),
    "--confirm": ("--yes",),
    "--continue": ("--resume",),
    "--diff": ("--plan",),
    "--dry-run": ("--plan",),
    "--duration": ("--for", "--monitor-for"),
    "--environment": ("--env",),
    "--force": ("--yes", "--allow-data-loss"),
    "--format": ("--output",),
    "--json": ("--output",),
    "--last": ("--limit",),
    "--non-interactive": ("--yes",),
    "--noop": ("--plan",),
    "--no-input": ("--yes",),
    "--preview": ("--plan",),
    "--reason": ("--why",),
    "--revision": ("--to-revision", "--run"),
    "--to": ("--run", "--to-revision"),
    "--what-if": ("--plan",),
    "--why": ("--reason",),
    "-n": ("--limit", "--env"),
    "-w": ("--watch",),
}
COMMANDS: dict[str, str] = {  # a command of another tool → ours
    "apply": "deploy",
    "backup": "snapshot create",
    "check": "preflight",
    "diff": "plan",
    "downgrade": "rollback --database",
    "events": "report",
    "init": "config init",
    "install": "deploy",
    "list": "history",
    "ls": "history",
    "release": "deploy",
    "restore": "snapshot restore",
    "resume": "deploy --resume",
    "revert": "rollback",
    "runs": "history",
    "status": "history",
    "test": "smoke",
    "undo": "rollback",
    "up": "sandbox up",
    "upgrade": "migrate deploy",
    "validate": "config check",
    "verify": "migrate verify",
    "version": "--version",
    "watch": "monitor",
}


def nearest_option(name: str, context: Any) -> str:
    """The option of the command (or a global one) that was probably meant by `name`; empty if none is near."""
    known = list(dict.fromkeys(_options(context)))
    for habit in OPTIONS.get(name, ()):
        if habit in known:
            return habit
    longer = [
        one
        for one in known
        if len(name) > len("--x") and (one.startswith(name) or name.startswith(f"{one}-"))
    ]
    return next(iter([*longer, *get_close_matches(name, known, n=1)]), "")


def nearest_command(name: str) -> str:
    """The command line for the habit `name` at the top level; empty if there is none."""
    return COMMANDS.get(name, "")


def _options(context: Any) -> Iterator[str]:
    while context is not None:
        for parameter in context.command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                yield from (*parameter.opts, *parameter.secondary_opts)
        context = context.parent
