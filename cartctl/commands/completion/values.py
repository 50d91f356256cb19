"""Values for options and arguments from local files: environments, runs, snapshots, suites, steps and checks.

Files are read here directly and only as far as needed: loading the configuration's model would take longer than a person
waits for a completion. What cannot be read gives no values. No network, no database.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FILE_NAME = "cartctl.toml"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{,99}")
SANDBOX = "sandbox"
NEWEST = 20  # runs and snapshots to offer
LINE = 64 * 1024  # bytes at the end of a journal that contain its last line
CHECKS = (  # of preflight; a test compares them with its own list
    *("database", "blockers", "migrations", "restore", "dump", "backup", "recovery", "cluster", "api"),
    *(
        "dashboard",
        "token",
        "metrics",
        "redis",
        "flags",
        "code",
        "window",
        "attestations",
        "signoff",
        "proof",
    ),
    "rehearsal",
)
REQUIRED_CHECKS = ("migrations", "window", "signoff")  # never skipped; the same test compares them
PURPOSES = ("smoke", "migrate", "deploy")


class Selection(NamedTuple):
    """What the line has selected so far: `--env` and `--config`."""

    env: str | None
    config: str | None

    def file(self) -> Path | None:
        """The configuration file, if any."""
        named = self.config or os.environ.get("CARTCTL_CONFIG")
        if named:
            return Path(named).expanduser()
        places = (directory / FILE_NAME for directory in (Path.cwd(), *Path.cwd().parents))
        return next((path for path in places if path.is_file()), None)

    def document(self) -> dict[str, Any]:
        """The configuration as TOML; empty without a file."""
        path = self.file()
        return tomllib.loads(path.read_text(encoding="utf-8")) if path else {}

    def environment(self) -> str:
        """The selected environment, or the one that is used without `--env`."""
        chosen = self.env or os.environ.get("CARTCTL_ENV")
        if chosen:
            return chosen
        document = self.document()
        names = list(document.get("env", {}))
        return str(document.get("default_env") or (names[0] if len(names) == 1 else SANDBOX))

    def setting(self, *path: str) -> Any:
        """A value of the environment's table, or of the defaults; None if neither has it."""
        document = self.document()
        for table in (document.get("env", {}).get(self.environment(), {}), document.get("defaults", {})):
            value: Any = table
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                return value
        return None

    def directories(self, below: str) -> Iterator[Path]:
        """The directories of this name that cartctl has written for the environment on this machine."""
        name = self.environment()
        name = SANDBOX if name.startswith(f"{SANDBOX}:") else name
        matching = re.compile(rf"{re.escape(_stem(name))}-[0-9a-f]{{8}}")
        for path in sorted(_listed(state_directory() / "environments")):
            if matching.fullmatch(path.name):
                yield path / below


Values = Iterable[tuple[str, str]]


def state_directory() -> Path:
    """The same directory as `cartctl.config.load.state_directory`."""
    if moved := os.environ.get("CARTCTL_STATE_DIR"):
        return Path(moved)
    import platformdirs

    return platformdirs.user_state_path("cartctl")


def environments(selection: Selection) -> Values:
    """Those of the configuration file, and the sandboxes."""
    yield from ((name, "environment") for name in selection.document().get("env", {}))
    yield SANDBOX, "environment on this machine"
    for path in sorted(_listed(state_directory() / SANDBOX)):
        if path.name != "default" and (path / FILE_NAME).is_file():
            yield f"{SANDBOX}:{path.name}", "environment on this machine"


def runs(selection: Selection) -> Values:
    """The newest runs that this machine has a journal of."""
    yield from ((path.stem, "run") for path in _journals(selection))


def unfinished_runs(selection: Selection) -> Values:
    """Those that have not ended."""
    yield from ((path.stem, "unfinished run") for path in _journals(selection) if not _ended(path))


def snapshots(selection: Selection) -> Values:
    """The newest snapshots of a local store; one in an object store would need a network."""
    url = selection.setting("database", "snapshots", "url")
    if isinstance(url, str) and "://" in url.removeprefix("file://"):
        return
    stores = (
        [Path(url.removeprefix("file://"))] if isinstance(url, str) else selection.directories("snapshots")
    )
    complete = (path for store in stores for path in _listed(store) if (path / "manifest.json").is_file())
    yield from ((path.name, "snapshot") for path in sorted(complete, reverse=True)[:NEWEST])


def restorable(selection: Selection) -> Values:
    """Runs whose saved rows, and snapshots whose rows, can be restored."""
    yield from runs(selection)
    yield from snapshots(selection)


def suites(selection: Selection) -> Values:
    """The built-in suite, and the files that are configured."""
    yield "built-in", "smoke tests of the cart"
    yield from ((str(path), "suite") for path in selection.setting("http", "suites") or ())


def roles(selection: Selection) -> Values:
    """The roles that must approve."""
    yield from ((str(role), "role") for role in selection.setting("signoff", "roles") or ())


def steps(_: Selection) -> Values:
    """The steps and preflight checks of a deployment that may be skipped."""
    from cartctl.plans.execution.phases import DEPLOYMENT_STEPS, NEVER_SKIPPED

    yield from ((step, text) for step, text in DEPLOYMENT_STEPS.items() if step not in NEVER_SKIPPED)
    yield from ((f"preflight.{name}", "preflight check") for name in CHECKS if name not in REQUIRED_CHECKS)


def flags(_: Selection) -> Values:
    """The cart's feature flags."""
    from cartctl.rollout.flag_names import FLAGS

    yield from ((name, "feature flag") for name in FLAGS)


def listed(values: Sequence[str], text: str) -> Callable[[Selection], Values]:
    """The same values everywhere."""
    return lambda _: ((value, text) for value in values)


Provider = Callable[[Selection], Values]
PROVIDERS: dict[tuple[str, ...], Provider] = {  # the command's path and the parameter → its values
    ("env",): environments,
    ("config", "init", "purpose"): listed(PURPOSES, "purpose"),
    ("deploy", "abandon"): unfinished_runs,
    ("deploy", "restore_carts"): restorable,
    ("deploy", "skip"): steps,
    ("flags", "set", "flag"): flags,
    ("plan", "restore_carts"): restorable,
    ("plan", "skip"): steps,
    ("preflight", "only"): listed(CHECKS, "preflight check"),
    ("preflight", "skip"): listed(
        [name for name in CHECKS if name not in REQUIRED_CHECKS], "preflight check"
    ),
    ("rehearse", "with_data"): snapshots,
    ("report", "run"): runs,
    ("rollback", "run"): runs,
    ("signoff", "add", "role"): roles,
    ("smoke", "suite"): suites,
    ("snapshot", "prune", "names"): snapshots,
    ("snapshot", "restore", "name"): snapshots,
    ("snapshot", "verify", "name"): snapshots,
}


def values_for(parameter: tuple[str, ...]) -> Provider | None:
    """Where a parameter's values come from; None for one that takes anything."""
    return PROVIDERS.get(parameter)


def _stem(environment: str) -> str:
    """How the names of an environment's directories begin, as in `cartctl.config.load.environment_directory`."""
    if _PLAIN.fullmatch(environment):
        return environment
    from cartctl.derived_names import LOCAL_FILE, fit_name

    return fit_name(re.sub(r"[^A-Za-z0-9_.-]", "-", environment), LOCAL_FILE, "-00000000").removesuffix(
        "-00000000"
    )


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _journals(selection: Selection) -> list[Path]:
    files = (path for runs in selection.directories("runs") for path in _listed(runs))
    return sorted(
        (path for path in files if path.suffix == ".ndjson"), key=lambda path: path.name, reverse=True
    )[:NEWEST]


def _ended(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LINE))
        last = file.read().strip().rpartition(b"\n")[2]
    event = json.loads(last)
    return (event.get("key"), event.get("event")) == ("run", "finished")
