"""The machine itself: versions, cartctl's own directory, free disk, and the programs that the configuration refers to."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cartctl.checks.results import failed, passed, warned
from cartctl.config.load import state_directory
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult

OLDEST = (3, 11)
GIBIBYTE = 1024**3
ROOM = 1.0  # GiB; below it a snapshot or the saved rows may not fit
EXTRAS = {"s3": "s3fs", "gs": "gcsfs"}  # scheme of a snapshot store → the package that speaks it


def check_versions() -> Iterator[CheckResult]:
    """Cartctl's and Python's version. Read-only."""
    yield passed("versions.cartctl", _installed("cartctl") or "not installed as a package")
    current = platform.python_version()
    if sys.version_info >= OLDEST:
        yield passed("versions.python", current)
    else:
        yield failed("versions.python", current, "3.11 or newer", "Install cartctl with a newer Python.")


def check_state() -> Iterator[CheckResult]:
    """Whether the directory for journals and snapshots can be written, by this user alone. Read-only."""
    directory = state_directory()
    existing = _existing(directory)
    hint = "Make it writable for this user, or set CARTCTL_STATE_DIR."
    if not os.access(existing, os.W_OK | os.X_OK):
        yield failed("state", f"{existing} is not writable", "a writable directory", hint)
    elif directory.is_dir() and directory.stat().st_mode & 0o077:
        mode = directory.stat().st_mode & 0o777
        yield warned("state", f"{directory} has mode {mode:04o}", "0700", f"chmod 700 {directory}")
    else:
        yield passed("state", f"{directory}" + ("" if directory.is_dir() else " (created when needed)"))


def check_disk() -> Iterator[CheckResult]:
    """Free space where cartctl stores journals, dumps and saved rows. Read-only."""
    existing = _existing(state_directory())
    free = shutil.disk_usage(existing).free / GIBIBYTE
    if free < ROOM:
        hint = "Free some, or move cartctl's files with CARTCTL_STATE_DIR."
        yield warned("disk", f"{free:.1f} GiB free in {existing}", f"at least {ROOM:g} GiB", hint)
    else:
        yield passed("disk", f"{free:.1f} GiB free in {existing}")


def check_programs(env: Environment) -> Iterator[CheckResult]:
    """The programs and packages that the configured sections use. Read-only."""
    for key, program in _programs(env):
        path = shutil.which(program)
        name = f"programs.{Path(program).name}"
        if path is None:
            yield failed(
                name, f"{program} not found", f"on PATH, for {key}", f"Install {program}, or change {key}."
            )
        else:
            yield passed(name, path)
    for scheme, package in EXTRAS.items():
        url = env.database_.snapshots.url if env.database_ else None
        if url is not None and url.reveal().startswith(f"{scheme}:"):
            hint = f"pipx install 'cartctl[{scheme}]'"
            known = _installed(package)
            yield (
                passed(f"programs.{package}", known)
                if known
                else failed(f"programs.{package}", "not installed", "for database.snapshots.url", hint)
            )


def _programs(env: Environment) -> Iterator[tuple[str, str]]:
    """Each configured command's program, with the key that names it; the first key of each program."""
    first: dict[str, str] = {}
    for key, program in _named_programs(env):
        first.setdefault(program, key)
    yield from ((key, program) for program, key in first.items())


def _named_programs(env: Environment) -> Iterator[tuple[str, str]]:
    if env.database_ is not None:
        snapshots = env.database.snapshots
        if snapshots.encrypt is not None:
            yield "database.snapshots.encrypt", "age" if snapshots.encrypt.age else "gpg"
        if snapshots.pgbackrest_stanza:
            yield "database.snapshots.pgbackrest_stanza", "pgbackrest"
        if snapshots.command is not None:
            yield "database.snapshots.command.create", snapshots.command.create[0]
            yield "database.snapshots.command.status", snapshots.command.status[0]
    if env.release.after_migrate:
        yield "release.after_migrate", env.release.after_migrate[0]
    if env.logs.command:
        yield "logs.command", env.logs.command[0]
    yield from (("preflight.commands", command[0]) for command in env.preflight.commands if command)
    if env.signoff.allowed_signers is not None:
        yield "signoff.allowed_signers", "ssh-keygen"


def _existing(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
