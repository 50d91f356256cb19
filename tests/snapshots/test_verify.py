"""Verifying snapshots: every way in which one can be other than it was written is found."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres_server import pg_tools
from cartctl.engine.model import Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, UsageError
from cartctl.snapshots.manifest.manifest import Manifest, write_manifest
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify


def _data(store: Store) -> Path:
    """The largest file of the dump."""
    return max((store.path("one") / "dump").iterdir(), key=lambda path: path.stat().st_size)


def _flip_a_bit(store: Store) -> None:
    path = _data(store)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _truncate(store: Store) -> None:
    path = _data(store)
    path.write_bytes(path.read_bytes()[:-1])


def _remove(store: Store) -> None:
    _data(store).unlink()


def _add(store: Store) -> None:
    (store.path("one") / "dump" / "99999.dat.gz").write_bytes(b"")


def _remove_all(store: Store) -> None:
    for path in (store.path("one") / "dump").iterdir():
        path.unlink()


def _drop_the_manifest(store: Store) -> None:
    (store.path("one") / "manifest.json").unlink()


def _cut_the_manifest(store: Store) -> None:
    path = store.path("one") / "manifest.json"
    path.write_text(path.read_text()[:-20])


def _change_the_manifest(store: Store) -> None:
    path = store.path("one") / "manifest.json"
    document = json.loads(path.read_text())
    document["manifest"]["tables"][0]["rows"] += 1
    path.write_text(json.dumps(document))


def _break_the_contents(store: Store) -> None:
    """A toc.dat that is no archive, with a manifest that agrees to it."""
    manifest = store.get("one")
    path = store.path("one") / "dump" / "toc.dat"
    path.write_bytes(b"x" * manifest.files["toc.dat"].bytes)
    from cartctl.snapshots.storage.encryption import checksum

    file = manifest.files["toc.dat"].model_copy(update={"sha256": checksum(path)})
    _rewrite(store, manifest.model_copy(update={"files": {**manifest.files, "toc.dat": file}}))


def _expect_another_table(store: Store) -> None:
    manifest = store.get("one")
    extra = manifest.tables[0].model_copy(update={"name": "forgotten"})
    _rewrite(store, manifest.model_copy(update={"tables": (*manifest.tables, extra)}))


def _expect_a_table_less(store: Store) -> None:
    manifest = store.get("one")
    _rewrite(store, manifest.model_copy(update={"tables": manifest.tables[1:]}))


def _rename(store: Store) -> None:
    _rewrite(store, store.get("one").model_copy(update={"id": "two"}))


def _rewrite(store: Store, manifest: Manifest) -> None:
    (store.path("one") / "manifest.json").unlink()
    write_manifest(store.path("one"), manifest)


@pytest.mark.parametrize(
    ("damage", "found_by", "expected"),
    (
        (_flip_a_bit, "checksums", "a different checksum"),
        (_truncate, "checksums", "bytes instead of"),
        (_remove, "checksums", "is missing"),
        (_add, "checksums", "is not part of the dump"),
        (_remove_all, "checksums", "is missing"),
        (_drop_the_manifest, "manifest", "the manifest is missing"),
        (_cut_the_manifest, "manifest", "cannot be read"),
        (_change_the_manifest, "manifest", "modified"),
        (_break_the_contents, "contents", "pg_restore failed"),
        (_expect_another_table, "contents", "public.forgotten|cartctl.forgotten"),
        (_expect_a_table_less, "contents", "missing: none"),
        (_rename, "manifest", "of another snapshot, two"),
    ),
)
def test_damage_is_found(
    made: Manifest, store: Store, damage: Callable[[Store], None], found_by: str, expected: str
) -> None:
    """Each kind of damage fails the verification, which names it, and the snapshot no longer counts as verified."""
    assert verify(store, "one", Pulse()).verdict is Verdict.PASS
    assert store.newest_verified() is not None
    damage(store)
    checks = verify(store, "one", Pulse())
    assert checks.verdict is Verdict.FAIL
    result = next(check for check in checks.bad() if check.name == found_by)
    assert any(part in str(result.observed) for part in expected.split("|"))
    assert result.hint
    assert store.newest_verified() is None


def test_without_the_right_tools_nothing_is_known(
    made: Manifest, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pg_restore of the right version makes the verdict unknown, never pass, and changes nothing remembered."""
    monkeypatch.setattr(pg_tools, "_places", lambda _: iter(()))
    assert verify(store, "one", Pulse()).verdict is Verdict.UNKNOWN
    assert store.newest_verified() is None
    monkeypatch.undo()
    verify(store, "one", Pulse())
    monkeypatch.setattr(pg_tools, "_places", lambda _: iter(()))
    checks: Checks = verify(store, "one", Pulse())
    assert checks.verdict is Verdict.UNKNOWN
    assert store.newest_verified() is not None


def test_a_snapshot_that_is_not_there_is_a_wrong_argument(store: Store) -> None:
    """An unknown id is named with the store's place."""
    with pytest.raises(UsageError, match="snapshot nothing not found"):
        verify(store, "nothing", Pulse())


def test_an_alarm_ends_a_verification(made: Manifest, store: Store) -> None:
    """A verification that is interrupted decides nothing."""
    pulse = Pulse()
    pulse.alarm(Interrupted("Ctrl-C"))
    with pytest.raises(Interrupted):
        verify(store, "one", pulse)
    assert store.newest_verified() is None
