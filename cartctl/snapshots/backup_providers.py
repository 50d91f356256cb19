"""Backups by another tool: pgBackRest, or the user's commands. They are listed and started here, but never read."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cartctl.adapters.pgbackrest import PgBackRest
from cartctl.adapters.programs import inherited, run
from cartctl.config.model.environment import Backup as BackupCommands
from cartctl.config.model.environment import Snapshots
from cartctl.config.values import revealed
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, StepFailed
from cartctl.snapshots.manifest.untrusted import Count, Line, Moment, parse_json
from cartctl.snapshots.storage.entries import Snapshot

M = TypeVar("M", bound=BaseModel)

LIMIT = 24 * 3600.0  # seconds for one backup
ASKING = 60.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class ProviderBackup:
    """One backup as its tool reports it; `asked_as` is the ID that was requested for it, if the tool records it."""

    id: str
    at: datetime
    bytes: int
    lsn: str = ""
    asked_as: str = ""


def shown(provider: "Provider", backup: ProviderBackup) -> Snapshot:
    """A backup as the list of snapshots shows it; its validity is as reported by its tool."""
    return Snapshot(backup.id, backup.at, provider.name, backup.bytes, verified=True, pinned=False, heads=())


class Provider(ABC):
    """Another tool."""

    name: ClassVar[str]

    @abstractmethod
    def backups(self, pulse: Pulse) -> tuple[ProviderBackup, ...]:
        """The complete backups, oldest first. Read-only. Raises StepFailed, ConfigError."""

    @abstractmethod
    def create(self, snapshot: str, pulse: Pulse) -> ProviderBackup:
        """Make one, known as `snapshot`. Raises StepFailed, and the pulse's alarm."""

    @abstractmethod
    def lacking(self, pulse: Pulse) -> str:
        """What is missing for a recovery to a point in time; empty: nothing. Read-only."""

    def find(self, snapshot: str, pulse: Pulse) -> ProviderBackup | None:
        """The backup that was requested with this ID. Read-only."""
        return next((backup for backup in self.backups(pulse) if backup.asked_as == snapshot), None)


def open_provider(settings: Snapshots) -> Provider | None:
    """The configured provider; None for cartctl's own dumps. Raises ConfigError if there are two."""
    if settings.pgbackrest_stanza and settings.command:
        raise ConfigError(
            "database.snapshots configures two tools.", hint="Use either pgbackrest_stanza or command."
        )
    if settings.pgbackrest_stanza:
        return FromPgBackRest(PgBackRest(settings.pgbackrest_stanza))
    return FromCommands(settings.command) if settings.command else None


class FromPgBackRest(Provider):
    """A stanza of pgBackRest; an annotation identifies a requested backup."""

    name = "pgbackrest"

    def __init__(self, tool: PgBackRest) -> None:
        self._tool = tool

    def backups(self, pulse: Pulse) -> tuple[ProviderBackup, ...]:
        """From its catalogue."""
        return tuple(
            ProviderBackup(each.label, each.stopped, each.bytes, each.lsn, each.annotation)
            for each in self._tool.info(pulse.attending(ASKING)).backups
        )

    def create(self, snapshot: str, pulse: Pulse) -> ProviderBackup:
        """An incremental one where it can be, a full one otherwise: pgBackRest decides."""
        self._tool.backup(snapshot, pulse.attending(LIMIT))
        if existing := self.find(snapshot, pulse):
            return existing
        raise StepFailed(
            "pgBackRest's catalogue does not contain the backup it has just made.", hint="pgbackrest info"
        )

    def lacking(self, pulse: Pulse) -> str:
        """By the stanza's status and its archive."""
        return self._tool.info(pulse.attending(ASKING)).lacking


class _BackupReport(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Line
    created_at: Moment
    bytes: Count = 0
    asked_as: Line = ""


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    backups: tuple[_BackupReport, ...]
    point_in_time: bool = False


class FromCommands(Provider):
    """The user's commands: each writes one JSON object; the variable CARTCTL_SNAPSHOT has the requested ID."""

    name = "command"

    def __init__(self, settings: BackupCommands) -> None:
        self._settings = settings

    def backups(self, pulse: Pulse) -> tuple[ProviderBackup, ...]:
        """`{"backups": [{"id", "created_at", "bytes", "asked_as"}], "point_in_time": bool}` of the status command."""
        return tuple(sorted(map(_provider_backup, self._status(pulse).backups), key=lambda backup: backup.at))

    def create(self, snapshot: str, pulse: Pulse) -> ProviderBackup:
        """`{"id", "created_at", "bytes"}` of the create command."""
        limit = self._settings.timeout.total_seconds()
        report = _parsed(
            _BackupReport, self._run(self._settings.create, pulse, limit, {"CARTCTL_SNAPSHOT": snapshot})
        )
        return _provider_backup(report)

    def lacking(self, pulse: Pulse) -> str:
        """As the status command says."""
        return "" if self._status(pulse).point_in_time else "the status command says point_in_time is false"

    def _status(self, pulse: Pulse) -> _Status:
        return _parsed(_Status, self._run(self._settings.status, pulse, ASKING, {}))

    def _run(self, argv: Sequence[str], pulse: Pulse, limit: float, more: Mapping[str, str]) -> str:
        try:
            return run(
                argv, {**inherited(), **revealed(self._settings.environment), **more}, pulse.attending(limit)
            )
        except OSError as error:
            raise ConfigError(
                f"{argv[0]} cannot be run: {error.strerror}.", hint="See database.snapshots.command."
            ) from error


def _provider_backup(report: _BackupReport) -> ProviderBackup:
    return ProviderBackup(report.id, report.created_at, report.bytes, asked_as=report.asked_as)


def _parsed(model: type[M], text: str) -> M:
    try:
        return model.model_validate(parse_json(text.encode()))
    except (ValueError, ValidationError) as wrong:
        first = str(wrong).splitlines()[0]
        raise StepFailed(
            f"The output of a backup command has an invalid format: {first}",
            hint="See runbooks/snapshots.md.",
        ) from wrong


def newest(provider: Provider, pulse: Pulse) -> ProviderBackup | None:
    """The newest backup. Read-only."""
    backups: Iterator[ProviderBackup] = iter(
        sorted(provider.backups(pulse), key=lambda backup: backup.at, reverse=True)
    )
    return next(backups, None)
