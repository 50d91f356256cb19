"""Which suites a smoke run consists of, and names that tell their results apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cartctl.config.keys import did_you_mean
from cartctl.errors import UsageError

if TYPE_CHECKING:
    from cartctl.checks.smoke.suite_model import Suite  # the built-in suite does without

BUILT_IN = "built-in"
GROUPS = (
    BUILT_IN,
    "critical",
    "health",
    "endpoints",
    "closed",
    "pages",
    "smoke",
    "contract",
)  # names of built-in results


@dataclass(frozen=True, slots=True)
class Selection:
    """The suites of one run: whether the built-in one, and the files of the others."""

    built_in: bool
    files: tuple[Path, ...]


def select(requested: Sequence[str], configured: Sequence[Path], *, built_in: bool) -> Selection:
    """The suites requested, each `built-in`, a file or a configured suite's name; without any, all that are configured.

    Raises UsageError for an unknown name, ConfigError for a configured file that cannot be read while a name is looked up.
    """
    if not requested:
        return Selection(built_in, tuple(configured))
    files = dict.fromkeys(_file(name, configured) for name in requested if name != BUILT_IN)
    return Selection(BUILT_IN in requested, tuple(files))


def load_suites(paths: Sequence[Path]) -> "list[Suite]":
    """Read suites. One whose name is also another's, or that of a built-in group, is called by its path. Raises ConfigError."""
    from cartctl.checks.smoke.suite_file import load_suite

    suites = [load_suite(path) for path in paths]
    count = Counter([*GROUPS, *(suite.name for suite in suites)])
    return [
        suite if count[suite.name] == 1 else suite.model_copy(update={"name": str(path)})
        for suite, path in zip(suites, paths, strict=True)
    ]


def _file(name: str, configured: Sequence[Path]) -> Path:
    path = Path(name)
    is_path = path.suffix == ".toml" or len(path.parts) > 1
    if is_path and path.is_file():
        return path
    by_name = {suite.name: path for suite, path in zip(load_suites(configured), configured, strict=True)}
    if name in by_name:
        return by_name[name]
    if is_path or path.is_file():
        return path
    known = ", ".join((BUILT_IN, *by_name))
    raise UsageError(
        f"Unknown suite {name!r}{did_you_mean(name, (BUILT_IN, *by_name))}",
        hint=f"Known suites: {known}; or the path of a suite's file.",
    )
