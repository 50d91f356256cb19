"""SSH signatures with real keys and OpenSSH's own ssh-keygen: made, verified, and refused with its reason."""

import os
import subprocess
from pathlib import Path

import pytest

from cartctl.adapters.openssh.signatures import (
    LIMIT,
    InvalidSignature,
    UnusableKey,
    key_fingerprint,
    names_of,
    sign,
    verify,
)
from cartctl.adapters.programs import for_at_most, run
from cartctl.errors import ConfigError
from cartctl.inputs import InvalidInput, MissingInput

NAMESPACE = "cartctl-signoff"


def make_key(path: Path, *options: str) -> Path:
    """A new key of the given type and passphrase."""
    arguments = options or ("-t", "ed25519", "-N", "")
    subprocess.run(["ssh-keygen", "-q", "-C", "", "-f", str(path), *arguments], check=True)
    return path


def public(key: Path) -> str:
    """A key's public part."""
    return key.with_name(f"{key.name}.pub").read_text(encoding="utf-8").strip()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Ann's key."""
    return make_key(tmp_path / "ann's key")


@pytest.fixture
def allowed(tmp_path: Path, key: Path) -> Path:
    """Allowed signers: ann under two names, bob with another key, anybody of a domain with a third, all with comments and options."""
    path = tmp_path / "signers"
    bob, carol = make_key(tmp_path / "bob", "-t", "ecdsa", "-N", ""), make_key(tmp_path / "carol")
    path.write_text(
        f"# the team\n\nann@example.com,ann {public(key)} her laptop\n"
        f'bob@example.com namespaces="{NAMESPACE},git" {public(bob)}\n'
        f"*@ops.example.com {public(carol)}\n",
        encoding="utf-8",
    )
    return path


def test_a_signature_is_verified_with_the_keys_fingerprint(key: Path, allowed: Path) -> None:
    """The type and fingerprint are those that ssh-keygen shows for the key."""
    shown = verify(
        b"x\n",
        sign(b"x\n", key, NAMESPACE),
        signer="ann@example.com",
        allowed=allowed,
        namespace=NAMESPACE,
    )
    assert shown == f"ED25519 key {key_fingerprint(key)}"
    bob, carol = allowed.with_name("bob"), allowed.with_name("carol")
    for other, name in ((bob, "bob@example.com"), (carol, "carol@ops.example.com")):
        signature = sign(b"x", other, NAMESPACE)
        assert "SHA256:" in verify(b"x", signature, signer=name, allowed=allowed, namespace=NAMESPACE)


@pytest.mark.parametrize(
    ("message", "signer", "namespace"),
    (
        (b"y", "ann@example.com", NAMESPACE),  # another message
        (b"x", "bob@example.com", NAMESPACE),  # another person
        (b"x", "ann@example.com", "git"),  # another purpose
        (b"x", "-Oprint-pubkey", NAMESPACE),
        (b"x", "", NAMESPACE),
    ),
)
def test_any_other_use_of_a_signature_is_invalid(
    key: Path, allowed: Path, message: bytes, signer: str, namespace: str
) -> None:
    """Another message, signer or namespace."""
    signature = sign(b"x", key, NAMESPACE)
    with pytest.raises(InvalidSignature):
        verify(message, signature, signer=signer, allowed=allowed, namespace=namespace)


@pytest.mark.parametrize(
    "signature", ("", "x", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", "\ud800")
)
def test_a_malformed_signature_is_invalid(allowed: Path, signature: str) -> None:
    """Untrusted text of any kind."""
    with pytest.raises(InvalidSignature):
        verify(b"x", signature, signer="ann@example.com", allowed=allowed, namespace=NAMESPACE)


def test_names_are_those_of_the_file(key: Path, allowed: Path) -> None:
    """By the key's fingerprint; a foreign key has none."""
    assert names_of(key_fingerprint(key), allowed) == ["ann@example.com", "ann"]
    assert names_of(key_fingerprint(allowed.with_name("bob")), allowed) == ["bob@example.com"]
    assert names_of(key_fingerprint(make_key(allowed.with_name("foreign"))), allowed) == []
    with pytest.raises(MissingInput):
        names_of("SHA256:x", allowed.with_name("none"))
    with pytest.raises(InvalidInput):
        names_of("SHA256:x", allowed.parent)


def test_a_key_that_cannot_sign_is_named_with_the_reason(tmp_path: Path) -> None:
    """Missing, a directory, not a key, locked by a passphrase, readable by others."""
    text = tmp_path / "text"
    text.write_text("no key")
    text.chmod(0o600)
    exposed = make_key(tmp_path / "exposed")
    exposed.chmod(0o644)
    for path, reason, hint in (
        (tmp_path / "none", "file not found", "Use a private SSH key"),
        (tmp_path, "it is not a file", "Use a private SSH key"),
        (text, "text", "ssh-keygen -y"),
        (make_key(tmp_path / "locked", "-t", "ed25519", "-N", "secret"), "passphrase", "ssh-add"),
        (exposed, "too open", "ssh-keygen -y"),
    ):
        with pytest.raises(UnusableKey, match=reason) as wrong:
            sign(b"x", path, NAMESPACE)
        assert str(path) in wrong.value.message
        assert hint in wrong.value.hint
        assert "\n" not in wrong.value.message


def test_nothing_is_left_of_a_message(key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No copy of message, signature or key remains in the directory for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    sign(b"x", key, NAMESPACE)
    assert not list((tmp_path / "temporary").iterdir())


def test_without_ssh_keygen_the_package_is_named(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenSSH is not installed."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="ssh-keygen is not installed") as wrong:
        sign(b"x", key, NAMESPACE)
    assert "openssh-client" in wrong.value.hint


def test_a_program_reads_a_file(tmp_path: Path) -> None:
    """Nothing by default."""
    (tmp_path / "input").write_text("text")
    assert run(["cat"], dict(os.environ), for_at_most(LIMIT), stdin=tmp_path / "input") == "text"
    assert run(["cat"], dict(os.environ), for_at_most(LIMIT)) == ""
