"""The paths inside a sandbox's directory, and reading its small files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.config.load import sandbox_directory
from cartctl.errors import UsageError
from cartctl.inputs import InvalidInput, parse_json, read_text

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
STATE_LIMIT = 64 * 1024 * 1024  # bytes of a state file


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one sandbox."""

    directory: Path

    @property
    def postgres(self) -> Path:
        """The data directory of the embedded PostgreSQL."""
        return self.directory / "pg"

    @property
    def application_dsn(self) -> Path:
        """How the application's own role connects; exists once the database is complete."""
        return self.directory / "app.dsn"

    @property
    def settings(self) -> Path:
        """One directory per ConfigMap, one file per key."""
        return self.directory / "config"

    @property
    def logs(self) -> Path:
        """One file per pod, and the supervisor's and Prometheus' own."""
        return self.directory / "logs"

    @property
    def state(self) -> Path:
        """The supervisor's specs, which survive its crash."""
        return self.directory / "state.json"

    @property
    def supervisor(self) -> Path:
        """Process id and control port of the running supervisor."""
        return self.directory / "supervisor.json"

    @property
    def supervisor_lock(self) -> Path:
        """Locked while the supervisor runs."""
        return self.directory / "supervisor.lock"

    @property
    def secret(self) -> Path:
        """The password of the control API, 0600."""
        return self.directory / "control.secret"

    @property
    def token(self) -> Path:
        """The token of the internal company's admin, 0600."""
        return self.directory / "token"

    @property
    def outside_token(self) -> Path:
        """The token of another company's admin, 0600."""
        return self.directory / "outside-token"

    @property
    def tokens(self) -> Path:
        """SHA-256 of each token → its owner."""
        return self.directory / "tokens.json"

    @property
    def prometheus(self) -> Path:
        """Configuration, targets and data of Prometheus."""
        return self.directory / "prometheus"

    @property
    def targets(self) -> Path:
        """The scrape targets of Prometheus, written by the supervisor."""
        return self.prometheus / "targets.json"

    @property
    def config(self) -> Path:
        """The sandbox's own configuration file."""
        return self.directory / "cartctl.toml"


def read_json(path: Path) -> Any | None:
    """The content of a JSON file, or None when it does not exist or is truncated."""
    try:
        return parse_json(read_text(path, limit=STATE_LIMIT))
    except InvalidInput:
        return None


def checked_directory(name: str) -> Path:
    """The directory of the sandbox `name`. Raises UsageError for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"Invalid sandbox name {name!r}.",
            hint="Use lower-case letters, digits and dashes, at most 40.",
        )
    return sandbox_directory(name).resolve()
