"""Squawk, the linter of migrations: run on files, its findings read from JSON."""

import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cartctl.adapters.programs import Program, for_at_most, inherited, running
from cartctl.errors import ConfigError, StepFailed
from cartctl.inputs import MALFORMED, parse_json

LIMIT = timedelta(minutes=1)
FINDINGS = 1  # its exit code when there are findings


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation of a rule, in a file by its name, at a line counted from 1."""

    file: str
    line: int
    rule: str
    message: str
    help: str


def lint(files: Mapping[str, bytes]) -> list[Finding]:
    """Squawk's findings in SQL files, each run in one transaction like the migrations. Read-only.

    Raises ConfigError where Squawk is not installed, StepFailed for malformed output.
    """
    program = shutil.which("squawk", path=sysconfig.get_path("scripts")) or shutil.which("squawk")
    if program is None:
        raise ConfigError("Squawk is not installed.", hint="pip install squawk-cli")
    with TemporaryDirectory(prefix="cartctl-lint-") as place:
        paths = {}
        for number, (name, content) in enumerate(files.items()):
            path = Path(place) / f"{number}.sql"
            path.write_bytes(content)
            paths[str(path)] = name
        argv = [program, "--reporter", "json", "--assume-in-transaction", *paths]
        with running(argv, inherited()) as started:
            for_at_most(LIMIT)(started)
            return _findings(started, paths)


def _findings(program: Program, paths: Mapping[str, str]) -> list[Finding]:
    try:
        entries = parse_json(program.output(accepted=(0, FINDINGS)) or "[]")
        return [
            Finding(paths[one["file"]], one["line"] + 1, one["rule_name"], one["message"], one["help"] or "")
            for one in entries
        ]
    except MALFORMED as wrong:
        raise StepFailed("Squawk's output is malformed.", hint="pip install --upgrade squawk-cli") from wrong
