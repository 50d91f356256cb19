"""Encrypting and decrypting files with age or GnuPG, whose keys never leave their place."""

import os
import shutil
from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.programs import Attend, for_at_most, inherited, run
from cartctl.errors import ConfigError
from cartctl.private_files import UMASK

LIMIT = timedelta(hours=2)  # for one file


class Cipher(ABC):
    """One encryption method. The manifest records `name`; `suffix` is added to the file name."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    program: ClassVar[str]

    @property
    @abstractmethod
    def can_open(self) -> bool:
        """Whether a key for decryption may be available; encryption needs none."""

    @abstractmethod
    def _encrypting(self, plain: Path, sealed: Path) -> list[str]: ...

    @abstractmethod
    def _decrypting(self, sealed: Path, plain: Path) -> list[str]: ...

    def encrypt(self, plain: Path, sealed: Path, attend: Attend | None = None) -> None:
        """Write `sealed`. Raises ConfigError without the program, ProgramFailed when it fails."""
        with effect("encryption.encrypt"):
            self._run(self._encrypting(plain, sealed), attend)

    def decrypt(self, sealed: Path, plain: Path, attend: Attend | None = None) -> None:
        """Write `plain`. Raises ConfigError without the program or a key, ProgramFailed for a wrong key."""
        self._run(self._decrypting(sealed, plain), attend)

    def _run(self, arguments: list[str], attend: Attend | None) -> None:
        program = shutil.which(self.program)
        if program is None:
            raise ConfigError(f"{self.program} is not installed.", hint=f"Debian: apt install {self.package}")
        run([program, *arguments], {**inherited(), **self._keys()}, attend or for_at_most(LIMIT), umask=UMASK)

    @property
    def package(self) -> str:
        """Debian's package with the program."""
        return self.program

    def _keys(self) -> dict[str, str]:
        return {}


class Age(Cipher):
    """To the public keys in a file of recipients; opened with the identity in another."""

    name, suffix, program = "age", ".age", "age"

    def __init__(self, recipients: Path, identity: Path | None) -> None:
        self._recipients = recipients
        self._identity = identity

    @property
    def can_open(self) -> bool:
        """Whether an identity is configured."""
        return self._identity is not None

    def _encrypting(self, plain: Path, sealed: Path) -> list[str]:
        if not self._recipients.is_file():
            raise ConfigError(
                f"File {self._recipients} not found.", hint="Check database.snapshots.encrypt.age."
            )
        return ["--encrypt", "--recipients-file", str(self._recipients), "--output", str(sealed), str(plain)]

    def _decrypting(self, sealed: Path, plain: Path) -> list[str]:
        if self._identity is None or not self._identity.is_file():
            raise ConfigError(
                "The snapshot is encrypted, and no identity is configured to decrypt it.",
                hint="Set database.snapshots.encrypt.identity to a file created by age-keygen.",
            )
        return ["--decrypt", "--identity", str(self._identity), "--output", str(plain), str(sealed)]


class Gpg(Cipher):
    """To the public key of a recipient in this user's keyring; opened with the secret key there."""

    name, suffix, program = "gpg", ".gpg", "gpg"

    def __init__(self, recipient: str) -> None:
        self._recipient = recipient

    @property
    def can_open(self) -> bool:
        """Only an attempt shows whether the keyring has the secret key."""
        return True

    @property
    def package(self) -> str:
        """Debian's name for it."""
        return "gnupg"

    def _encrypting(self, plain: Path, sealed: Path) -> list[str]:
        trust = ["--trust-model", "always", "--recipient", self._recipient]  # the configuration is the trust
        return ["--batch", "--yes", "--quiet", *trust, "--output", str(sealed), "--encrypt", str(plain)]

    def _decrypting(self, sealed: Path, plain: Path) -> list[str]:
        return ["--batch", "--yes", "--quiet", "--output", str(plain), "--decrypt", str(sealed)]

    def _keys(self) -> dict[str, str]:
        return {name: os.environ[name] for name in ("GNUPGHOME", "GPG_AGENT_INFO") if name in os.environ}
