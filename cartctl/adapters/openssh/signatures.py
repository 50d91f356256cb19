"""SSH signatures, made and verified by OpenSSH's ssh-keygen.

ssh-keygen asks for a passphrase or uses ssh-agent by itself; cartctl never reads a private key.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cartctl.adapters.programs import ProgramFailed, for_at_most, inherited, run
from cartctl.errors import ConfigError
from cartctl.inputs import MEBIBYTE, read_text
from cartctl.redaction import cut

LIMIT = timedelta(seconds=60)  # without a terminal; a hardware key waits for a touch
AT_TERMINAL = 600.0  # seconds for typing a passphrase
_FOR_AGENT = (
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
)
_KEY = re.compile(r" with (\S+ key SHA256:\S+)")


class UnusableKey(ConfigError):
    """A key that cannot sign: missing, unreadable, not a key, or locked by a passphrase that nobody can enter."""

    code = "unusable_key"


class InvalidSignature(ConfigError):
    """The signature is not one of the signer's over this message."""

    code = "invalid_signature"


def sign(message: bytes, key: Path, namespace: str) -> str:
    """The armored signature of a message by a private key, or by a public one whose private part ssh-agent holds.

    Raises UnusableKey, and ConfigError without ssh-keygen.
    """
    _require_readable(key)
    with _files(message=message) as directory:
        argv = [_program(), "-Y", "sign", "-f", str(key), "-n", namespace, str(directory / "message")]
        try:
            _run_signing(argv)
        except ProgramFailed as failed:
            raise _unusable(key, _reason(failed)) from failed
        return (directory / "message.sig").read_text(encoding="ascii")


def key_fingerprint(key: Path) -> str:
    """The fingerprint of a key (`SHA256:…`), from its public part. Raises UnusableKey, and ConfigError without ssh-keygen."""
    _require_readable(key)
    try:
        output = _run("-l", "-f", str(key))
    except ProgramFailed as failed:
        raise _unusable(key, _reason(failed)) from failed
    return next((word for word in output.split() if word.startswith("SHA256:")), "")


def names_of(fingerprint: str, allowed: Path) -> list[str]:
    """The names that an allowed-signers file gives a key; empty for a foreign key. Raises InvalidInput for an unreadable file."""
    names: dict[str, None] = {}
    for line in read_text(allowed, limit=MEBIBYTE).splitlines():
        principals, _, rest = line.strip().partition(" ")
        if any(_fingerprint(word) == fingerprint for word in rest.split()):
            names |= dict.fromkeys(name for name in principals.strip('"').split(",") if name)
    return list(names)


def _fingerprint(blob: str) -> str:
    try:
        digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except ValueError:
        return ""
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def verify(message: bytes, signature: str, *, signer: str, allowed: Path, namespace: str) -> str:
    """The type and fingerprint of the signer's key that made the signature.

    Raises InvalidSignature, ConfigError without ssh-keygen, and InvalidInput for an unreadable file of allowed signers.
    """
    read_text(allowed, limit=MEBIBYTE)
    with _files(signature=signature.encode("utf-8", "replace"), message=message) as directory:
        names = ("-I", signer, "-n", namespace)
        try:
            output = _run(
                *("-Y", "verify", "-f", str(allowed), *names, "-s", str(directory / "signature")),
                stdin=directory / "message",
            )
        except ProgramFailed as failed:
            raise InvalidSignature(_reason(failed)) from failed
    match = _KEY.search(output)
    return match[1] if match else "unknown key"


def _require_readable(key: Path) -> None:
    if not key.is_file():
        problem = "it is not a file" if key.exists() else "file not found"
        raise UnusableKey(
            f"Cannot sign with {key}: {problem}.", hint="Use a private SSH key, such as ~/.ssh/id_ed25519."
        )
    if not os.access(key, os.R_OK):
        raise UnusableKey(
            f"Cannot sign with {key}: permission denied.", hint="Use a key that this user can read."
        )


def _unusable(key: Path, message: str) -> UnusableKey:
    locked = "passphrase" in message
    hint = (
        "Load it into ssh-agent (ssh-add), or run the command in a terminal."
        if locked
        else "Check the key: ssh-keygen -y -f FILE"
    )
    return UnusableKey(f"Cannot sign with {key}: {message.rstrip('.')}.", hint=hint)


def _reason(failed: ProgramFailed) -> str:
    """ssh-keygen's own message on one line, without its prompt and its frame of at signs."""
    text = failed.message.partition("): ")[2] or failed.message
    lines = (line.removeprefix("Enter passphrase:").strip(" @") for line in text.splitlines())
    return cut(" ".join(line for line in lines if line), 300)


def _run_signing(argv: Sequence[str]) -> None:
    """At a terminal in the same session, where ssh-keygen can ask for a passphrase; otherwise it cannot wait for one."""
    if not sys.stdin.isatty():
        run(argv, _environment(), for_at_most(LIMIT))
        return
    try:
        done = subprocess.run(
            list(argv), env=_environment(), timeout=AT_TERMINAL, check=False, stdout=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise ProgramFailed(f"no passphrase within {AT_TERMINAL:g} s") from late
    if done.returncode != 0:
        raise ProgramFailed("ssh-keygen failed; see its message above")


def _run(*arguments: str, stdin: Path = Path(os.devnull)) -> str:
    return run([_program(), *arguments], _environment(), for_at_most(LIMIT), stdin=stdin)


def _program() -> str:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise ConfigError("ssh-keygen is not installed.", hint="Debian: apt install openssh-client")
    return program


def _environment() -> dict[str, str]:
    return {
        **inherited(),
        **{name: os.environ[name] for name in _FOR_AGENT if name in os.environ},
        "LC_ALL": "C",
    }


@contextmanager
def _files(**contents: bytes) -> Iterator[Path]:
    """A private directory with these files, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="cartctl-signature-") as name:
        directory = Path(name)
        for file, content in contents.items():
            (directory / file).write_bytes(content)
        yield directory
