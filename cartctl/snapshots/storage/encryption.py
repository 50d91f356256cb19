"""Encrypts a dump's files after they were checked, and decrypts them for as long as they are needed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cartctl.adapters.encryption import Age, Cipher, Gpg
from cartctl.adapters.postgres_server.pg_tools import PgTools
from cartctl.config.model.environment import Encrypt
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.snapshots.manifest.manifest import Manifest, damaged
from cartctl.snapshots.storage.work_directories import AGAIN, private, using

LIMIT = 6 * 3600.0  # seconds for one file


def open_cipher(settings: Encrypt | None) -> Cipher | None:
    """The configured encryption. Raises ConfigError unless there is exactly one."""
    if settings is None:
        return None
    if (settings.age is None) == (settings.gpg is None):
        raise ConfigError(
            "database.snapshots.encrypt must have exactly one of age and gpg.", hint="Set only one of them."
        )
    return Age(settings.age, settings.identity) if settings.age else Gpg(str(settings.gpg))


def seal(dump: Path, tools: PgTools, cipher: Cipher, pulse: Pulse) -> dict[str, str]:
    """Encrypt every file of a dump that `pg_restore` can list; returns the SHA-256 of each before. The unencrypted files are then removed. Raises ProgramFailed, with some of them left, for the caller to remove."""
    tools.list(dump, attend=pulse.attending(LIMIT))
    plain = {}
    for path in sorted(dump.iterdir()):
        plain[path.name] = checksum(path)
        cipher.encrypt(path, path.with_name(path.name + cipher.suffix), pulse.attending(LIMIT))
        path.unlink()
    return plain


@contextmanager
def decrypted(encrypted: Path, manifest: Manifest, cipher: Cipher | None, beside: Path) -> Iterator[Path]:
    """A private directory with the plain files, for the block. Raises ConfigError if the encryption or the key is not configured."""
    if cipher is None or cipher.name != manifest.encryption:
        raise ConfigError(
            f"The snapshot {manifest.id} is encrypted with {manifest.encryption}.",
            hint=f"Set database.snapshots.encrypt to {{ {manifest.encryption} = … }}.",
        )
    with private(beside, "opened") as place:
        for name, expected in manifest.plain.items():
            with using(place, AGAIN):
                cipher.decrypt(encrypted / (name + cipher.suffix), place / name)
            if checksum(place / name) != expected:
                raise damaged(manifest.id, f"{name} differs from what was encrypted")
        yield place


def checksums(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of files in their order, read several at once. Read-only."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = [(path.name, pool.submit(checksum, path)) for path in paths]
        try:
            for name, digest in pending:
                yield name, digest.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def checksum(path: Path) -> str:
    """SHA-256 of a file, lowercase hex. Read-only."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
