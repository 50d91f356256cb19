"""pgBackRest: create a backup, read the catalogue. Configured by its own file and its PGBACKREST_ variables."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cartctl.adapters.effects import effect
from cartctl.adapters.programs import Attend, inherited, run
from cartctl.errors import ConfigError, StepFailed
from cartctl.inputs import MALFORMED, parse_json

ANNOTATION = "cartctl"


@dataclass(frozen=True, slots=True)
class Backup:
    """One whole backup of a stanza. `annotation` is cartctl's, empty for other backups."""

    label: str
    stopped: datetime
    bytes: int
    lsn: str
    annotation: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A stanza's backups, oldest first, and what is missing for point-in-time recovery (empty: nothing)."""

    backups: tuple[Backup, ...]
    lacking: str


class PgBackRest:
    """One stanza."""

    def __init__(self, stanza: str) -> None:
        self._stanza = stanza

    def backup(self, annotation: str, attend: Attend) -> None:
        """Create one. Raises ConfigError without the program, ProgramFailed with its message, and what `attend` raises."""
        with effect("pgbackrest.backup"):
            self._run(["backup", f"--annotation={ANNOTATION}={annotation}"], attend)

    def info(self, attend: Attend) -> Catalogue:
        """The catalogue. Read-only. Raises ConfigError for a missing stanza, StepFailed for malformed output."""
        output = self._run(["info", "--output=json"], attend)
        return read_catalogue(output, self._stanza)

    def _run(self, arguments: list[str], attend: Attend) -> str:
        program = shutil.which("pgbackrest")
        if program is None:
            raise ConfigError("pgBackRest is not installed.", hint="Debian: apt install pgbackrest")
        own = {name: value for name, value in os.environ.items() if name.startswith("PGBACKREST_")}
        argv = [program, f"--stanza={self._stanza}", "--log-level-console=error", "--log-level-stderr=error"]
        return run([*argv, *arguments], {**inherited(), **own}, attend)


def read_catalogue(output: str, name: str) -> Catalogue:
    """The catalogue of a stanza in the JSON of `info`. Pure. Raises as `PgBackRest.info`."""
    try:
        stanza = next((each for each in parse_json(output) if each["name"] == name), None)
        if stanza is None or stanza["status"]["code"] == 1:  # missing stanza path
            raise ConfigError(
                f"pgBackRest stanza {name} not found.",
                hint=f"Create it: pgbackrest --stanza={name} stanza-create",
            )
        whole = tuple(_backup(each) for each in stanza["backup"] if not each.get("error"))
        return Catalogue(whole, _lacking(stanza, whole))
    except (*MALFORMED, OSError) as wrong:  # a time out of range is an OSError
        raise StepFailed(
            "pgBackRest's output is malformed.", hint="See: pgbackrest info --output=json"
        ) from wrong


def _backup(entry: dict[str, Any]) -> Backup:
    return Backup(
        label=entry["label"],
        stopped=datetime.fromtimestamp(entry["timestamp"]["stop"], UTC),
        bytes=int(entry["info"]["size"]),
        lsn=str((entry.get("lsn") or {}).get("stop") or ""),
        annotation=str((entry.get("annotation") or {}).get(ANNOTATION, "")),
    )


def _lacking(stanza: dict[str, Any], whole: tuple[Backup, ...]) -> str:
    if stanza["status"]["code"] != 0:
        return str(stanza["status"]["message"])
    if not whole:
        return "no backup yet"
    return "" if any(each.get("max") for each in stanza.get("archive", ())) else "nothing archived yet"
