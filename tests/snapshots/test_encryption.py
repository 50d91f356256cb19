"""Encrypted snapshots, and snapshots at another address: whole or not there, opened only with the key."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cartctl.adapters import effects
from cartctl.adapters.object_store import ObjectStore
from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Encrypt, Environment
from cartctl.database.catalogue import fingerprint_hash
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Refused, StepFailed
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.storage.destination import open_store, refuse_plain
from cartctl.snapshots.storage.encryption import open_cipher
from cartctl.snapshots.storage.local import DUMP, Store
from cartctl.snapshots.storage.remote import RemoteStore
from cartctl.snapshots.storage.retention import prune
from cartctl.snapshots.verify import verify
from tests.services import require

Environments = Callable[..., Environment]


@pytest.fixture
def keys(tmp_path: Path) -> Encrypt:
    """A recipient of age's and its identity."""
    identity, recipients = tmp_path / "identity", tmp_path / "recipients"
    subprocess.run([require("age-keygen"), "-o", identity], check=True, capture_output=True)
    public = subprocess.run(
        [require("age-keygen"), "-y", identity], check=True, capture_output=True, text=True
    )
    recipients.write_text(public.stdout)
    return Encrypt(age=recipients, identity=identity)


@pytest.fixture
def subject(migrated: Postgres) -> Subject:
    """A migrated database with a secret in it."""
    with migrated.session("tests") as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES ('c', 'the secret name')")
    return Subject("test", migrated, fingerprint_hash)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environments:
    """Makes an environment with these snapshot settings."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))

    def make(*, protected: bool = False, **snapshots: object) -> Environment:
        return Environment.model_validate(
            {
                "name": "test",
                "protected": protected,
                "database": {"dsn": {"env": "HOME"}, "snapshots": snapshots},
                "cluster": {"kind": "kubernetes"},
                "http": {"api": "http://127.0.0.1:1"},
            }
        )

    return make


def verdicts(store: Store, name: str = "one") -> dict[str, Verdict]:
    """What a verification finds, by check."""
    return {check.name: check.verdict for check in verify(store, name, Pulse()).checks}


ALL = dict.fromkeys(("manifest", "checksums", "contents"), Verdict.PASS)


def test_age_closes_and_opens(subject: Subject, tmp_path: Path, keys: Encrypt) -> None:
    """No plain file is left; without the identity the checksums still hold, with it the whole is restored."""
    store = Store(tmp_path / "store", open_cipher(keys))
    made = create(subject, store, "one", Pulse())
    assert made.encryption == "age"
    assert all(path.suffix == ".age" for path in (store.path("one") / DUMP).iterdir())
    assert verdicts(store) == ALL
    without = Store(store.directory, open_cipher(keys.model_copy(update={"identity": None})))
    assert verdicts(without) == ALL
    with pytest.raises(ConfigError, match="no identity"), without.opened("one"):
        pass
    with pytest.raises(ConfigError, match="encrypted with age"), Store(store.directory).opened("one"):
        pass
    done = restore(subject, store, "one", Pulse(), disconnect=True, accepted=None)
    assert done.kept_as is not None
    with subject.database.database("postgres").session("tests") as connection:
        connection.execute(f'DROP DATABASE "{done.kept_as}"'.encode())
    assert [path.name for path in store.directory.iterdir()] == ["one"]


def test_a_flipped_bit_is_found_without_the_key(subject: Subject, tmp_path: Path, keys: Encrypt) -> None:
    """The manifest's checksums are those of the encrypted files."""
    store = Store(tmp_path / "store", open_cipher(keys.model_copy(update={"identity": None})))
    create(subject, store, "one", Pulse())
    path = max((store.path("one") / DUMP).iterdir(), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert verdicts(store)["checksums"] is Verdict.FAIL


def test_gpg_closes_and_opens(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key of this user's keyring, as a person would make one."""
    gpg, home = require("gpg"), tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    arguments = [
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        "shop@example.org",
        "default",
        "default",
    ]
    subprocess.run([gpg, *arguments], check=True, capture_output=True, env=os.environ)
    store = Store(tmp_path / "store", open_cipher(Encrypt(gpg="shop@example.org")))
    create(subject, store, "one", Pulse())
    assert verdicts(store) == ALL
    subprocess.run(["gpgconf", "--kill", "all"], check=True, capture_output=True, env=os.environ)


@pytest.mark.parametrize("settings", (Encrypt(), Encrypt(age=Path("x"), gpg="y")))
def test_exactly_one_way_is_configured(settings: Encrypt) -> None:
    """Neither and both are a mistake that says so."""
    with pytest.raises(ConfigError, match="exactly one"):
        open_cipher(settings)


def test_a_protected_environment_wants_encryption(environment: Environments, tmp_path: Path) -> None:
    """A plain dump is refused there, an encrypted one and another tool's backup are not."""
    with pytest.raises(Refused, match="would not be encrypted"):
        refuse_plain(environment(protected=True))
    refuse_plain(environment(protected=True, encrypt={"gpg": "x"}))
    refuse_plain(environment(protected=True, pgbackrest_stanza="main"))
    refuse_plain(environment())


@pytest.fixture(params=("memory://snapshots", "local://{tmp_path}/remote"))
def remote(
    request: pytest.FixtureRequest, environment: Environments, tmp_path: Path
) -> Iterator[RemoteStore]:
    """A store at another address, emptied afterwards."""
    result = open_store(environment(url=request.param.format(tmp_path=tmp_path)))
    assert isinstance(result, RemoteStore)
    yield result
    for name in result.objects.directories():
        result.objects.remove(name)


def test_another_address_holds_whole_snapshots(subject: Subject, remote: RemoteStore) -> None:
    """Made, listed, verified, pinned, opened and pruned there; nothing stays staged here."""
    assert remote.list().snapshots == ()
    create(subject, remote, "one", Pulse())
    assert verdicts(remote) == ALL
    create(subject, remote, "two", Pulse())
    assert verdicts(remote, "two") == ALL
    remote.pin("one", "by hand")
    assert [(entry.id, entry.verified, entry.pinned) for entry in remote.list().snapshots] == [
        ("two", True, False),
        ("one", True, True),
    ]
    with remote.opened("one") as dump:
        assert {path.name for path in dump.path.iterdir()} == set(dump.files)
    assert list(remote.directory.iterdir()) == []
    with pytest.raises(Refused, match="pinned"):
        remote.remove("one")
    assert prune(remote, 1).removed == ()
    remote.remove("two")
    assert [entry.id for entry in remote.list().snapshots] == ["one"]


def test_an_upload_that_ends_half_way_is_no_snapshot(
    subject: Subject, remote: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its manifest it is not listed, and the next attempt under the same id replaces it."""
    puts = iter(range(1000))

    def fail(name: str, moment: str) -> None:
        if (name, moment) == ("object_store.put", "after") and next(puts) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", fail)
        with pytest.raises(KeyboardInterrupt):
            create(subject, remote, "one", Pulse())
    assert remote.list().snapshots == ()
    create(subject, remote, "one", Pulse())
    assert verdicts(remote) == ALL


@pytest.mark.parametrize(
    ("url", "expected"),
    (("s3://bucket/x", r"cartctl\[s3\]"), ("nothing://x", "snapshots.url"), ("file://host/x", "path")),
)
def test_an_address_that_nothing_speaks_says_so(environment: Environments, url: str, expected: str) -> None:
    """A missing package and an unknown protocol are one sentence with what to do."""
    with pytest.raises(ConfigError) as wrong:
        open_store(environment(url=url))
    assert re.search(expected, wrong.value.hint)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """The far end's error names the address."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StepFailed, match="cannot be used"):
        ObjectStore(f"local://{tmp_path}/file").write("a/b", b"x")
