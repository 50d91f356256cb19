"""Settings of a replica: role, version, name and file paths."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Settings:
    """One replica's settings."""

    role: Literal["api", "web", "worker"]
    version: str
    pod: str
    directory: Path  # of the sandbox: database address, tokens, watched files

    @property
    def carts(self) -> bool:
        """Whether this version has carts."""
        return not self.version.startswith("1.")

    @property
    def variant(self) -> str:
        """The fault of a practice version: `errors`, `slow`, `payments-down`, `crash` or nothing."""
        return self.version.partition("-")[2]

    @property
    def maintenance(self) -> Path:
        """The watched file of the maintenance mode."""
        return self.directory / "config" / "cart-runtime" / "MAINTENANCE"

    @property
    def flags(self) -> Path:
        """The watched file of the feature flags."""
        return self.directory / "config" / "cart-flags" / "flags.json"

    @property
    def clock(self) -> Path:
        """The watched file of the seconds that the service's clock is ahead."""
        return self.directory / "config" / "cart-runtime" / "CLOCK"

    @property
    def key(self) -> Path:
        """The file of the key that signs the pages' cookies and links."""
        return self.directory / "pages.key"

    @property
    def tokens(self) -> Path:
        """SHA-256 of each token → its owner."""
        return self.directory / "tokens.json"

    @property
    def database(self) -> str:
        """The DSN of the application's own role."""
        return (self.directory / "app.dsn").read_text(encoding="utf-8").strip()
