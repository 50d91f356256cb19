"""Snapshots that somebody else may have written: nothing of them leads outside, hides another or ends in a traceback."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.adapters.object_store import ObjectStore
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, Refused, UsageError
from cartctl.snapshots.manifest.manifest import (
    DamagedSnapshot,
    Manifest,
    _digest,
    parse_manifest,
    write_manifest,
)
from cartctl.snapshots.storage.local import DUMP, Store
from cartctl.snapshots.storage.remote import RemoteStore
from cartctl.snapshots.storage.retention import plan_pruning, prune
from cartctl.snapshots.verify import verify

Change = Callable[[dict[str, Any]], object]
SHA = "0" * 64


def written(store: Store, snapshot: str) -> Manifest:
    """A snapshot of one file, written by hand."""
    server = {"version_num": 180001, "version": "18.1", "database": "d", "owner": "o"}
    server |= {"encoding": "UTF8", "collation": "C", "character_type": "C"}
    at = datetime.now(UTC).isoformat()
    made = Manifest.model_validate(
        {
            "id": snapshot,
            "env": "test",
            "created_at": at,
            "seconds": 1,
            "server": server,
            "tool": "pg_dump 18.1",
            "heads": [],
            "ledger_rows": None,
            "fingerprint": "",
            "target": {"wal_lsn": "0/0", "at": at, "timeline": 1},
            "tables": [{"schema_name": "public", "name": "carts", "rows": 1}],
            "files": {"toc.dat": {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}},
        }
    )
    with store.making(snapshot) as partial:
        (partial / DUMP).mkdir()
        (partial / DUMP / "toc.dat").write_bytes(b"x")
        write_manifest(partial, made)
    return made


@pytest.fixture
def made(store: Store) -> Manifest:
    """A snapshot called `one`."""
    return written(store, "one")


def rewritten(store: Store, change: Change, snapshot: str = "one") -> None:
    """A manifest with something else in it, and a digest that agrees."""
    path = store.path(snapshot) / "manifest.json"
    body = json.loads(path.read_text())["manifest"]
    change(body)
    path.write_text(json.dumps({"digest": _digest(body), "manifest": body}))


def file_named(name: str) -> Change:
    """A manifest that has this file too."""
    return lambda body: body["files"].update({name: {"bytes": 1, "sha256": SHA}})


def field(*path: str, value: Any) -> Change:
    """A manifest with another value in one place."""

    def change(body: dict[str, Any]) -> None:
        for part in path[:-1]:
            body = body[part]
        body[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    (
        *map(
            file_named, ("../../x", "/etc/passwd", "a/b", "..", ".hidden", "", "a\nb", "a\0b", "x" * 300, "ä")
        ),
        field("files", "toc.dat", value={"bytes": -1, "sha256": SHA}),
        field("files", "toc.dat", value={"bytes": 10**30, "sha256": SHA}),
        field("files", "toc.dat", value={"bytes": 1, "sha256": "short"}),
        field("plain", value={"../x": SHA}),
        field("encryption", value="age"),
        field("created_at", value="0001-01-01T00:00:00+14:00"),
        field("created_at", value="9999-12-31T23:59:59-14:00"),
        field("created_at", value="2026-01-01T00:00:00"),
        field("created_at", value=1e300),
        field("target", "at", value="yesterday"),
        field("seconds", value=-1),
        field("id", value="other"),
        field("id", value="../one"),
        field("format", value=2),
        field("ledger_rows", value=-1),
        field("server", "version_num", value="many"),
        field("server", "encoding", value="UTF8\x1b[2J"),
        field("tables", value=[{"schema_name": "a", "name": "b", "rows": 1}] * 2),
        field("tables", value=[{"schema_name": "a", "name": "b\0", "rows": 1}]),
        field("tables", value=None),
        field("unknown", value=1),
    ),
)
def test_a_manifest_beyond_its_bounds_is_unusable(made: Manifest, store: Store, change: Change) -> None:
    """Whatever is in it: exit 7 by the snapshot's name, listed with the reason, and never chosen."""
    rewritten(store, change)
    with pytest.raises(DamagedSnapshot, match="snapshot one is unusable"):
        store.get("one")
    (entry,) = store.list().snapshots
    assert (entry.id, entry.verified, "unusable" in entry.unreadable) == ("one", False, True)
    assert verify(store, "one", Pulse()).verdict is Verdict.FAIL
    assert store.newest_verified() is None


@pytest.mark.parametrize(
    "content",
    (
        b"",
        b"[" * 100_000,
        b'{"manifest":' * 50_000,
        b"\xff\xfe{\x00}\x00",
        b'{"manifest": NaN}',
        b'{"manifest": "\\ud800"}',
        b"[]",
        b"null",
        b'"manifest"',
        b'{"manifest": {}, "manifest": {}}',
        b"{" + b"1" * 10_000 + b"}",
        b'{"manifest": ' + b"1" * 10_000 + b"}",
        b"x" * (64 * 1024 * 1024 + 1),
    ),
    ids=range(13),
)
def test_content_that_is_no_manifest_is_unusable(content: bytes) -> None:
    """Depth, size, encoding and form are bounded."""
    with pytest.raises(DamagedSnapshot, match="snapshot one is unusable"):
        parse_manifest(content, "one")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda body: json.dumps({"manifest": body, "digest": ""}).encode()))
def test_no_content_ends_in_another_error(content: bytes) -> None:
    """Any bytes at all are unusable, not a traceback."""
    with pytest.raises(DamagedSnapshot):
        parse_manifest(content, "one")


def link_manifest(store: Store) -> None:
    """The manifest is a link to itself elsewhere."""
    path = store.path("one") / "manifest.json"
    path.rename(store.directory.parent / "elsewhere.json")
    path.symlink_to(store.directory.parent / "elsewhere.json")


def link_snapshot(store: Store) -> None:
    """The snapshot is a link."""
    store.path("one").rename(store.directory.parent / "elsewhere")
    store.path("one").symlink_to(store.directory.parent / "elsewhere")


def link_dump(store: Store) -> None:
    """The dump's directory is a link."""
    dump = store.path("one") / DUMP
    dump.rename(store.directory.parent / "elsewhere")
    dump.symlink_to(store.directory.parent / "elsewhere")


def link_file(store: Store) -> None:
    """A file of the dump is a link."""
    file = store.path("one") / DUMP / "toc.dat"
    file.rename(store.directory.parent / "elsewhere")
    file.symlink_to(store.directory.parent / "elsewhere")


def pipe_manifest(store: Store) -> None:
    """The manifest is a pipe, which would never end."""
    path = store.path("one") / "manifest.json"
    path.unlink()
    os.mkfifo(path)


LINKS = (link_manifest, link_snapshot, link_dump, link_file, pipe_manifest)


@pytest.fixture(params=("local", "remote"))
def either(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Store]:
    """A store with a snapshot `one`, in this directory or reached through an address."""
    written(store, "one")
    if request.param == "local":
        yield store
    else:
        yield RemoteStore(tmp_path / "staged", objects=ObjectStore(f"local://{store.directory}"))


@pytest.mark.parametrize("damage", LINKS)
def test_links_are_rejected(store: Store, either: Store, damage: Callable[[Store], None]) -> None:
    """Files and directories in the place of which there is a link are not read, at either kind of address."""
    damage(store)
    assert verify(either, "one", Pulse()).verdict is Verdict.FAIL
    with pytest.raises(DamagedSnapshot, match="snapshot one is unusable"), either.opened("one"):
        pytest.fail("opened")
    assert not (store.directory.parent / "elsewhere" / "verified.json").exists()


def test_an_unreadable_one_hides_no_other(store: Store, either: Store) -> None:
    """Listed beside the others with stray files around; prune leaves it unless it is named."""
    for snapshot in ("two", "three"):
        written(store, snapshot)
    for snapshot in ("one", "two", "three"):
        either.note_verified(snapshot, passed=True)
    rewritten(store, file_named("../../x"), "one")
    for stray in ("notes.txt", ".hidden", ".partial-x", "a b"):
        (store.directory / stray).write_text("x")
    (store.directory / "x y").mkdir()
    results = {entry.id: entry for entry in either.list().snapshots}
    assert {name: bool(entry.unreadable) for name, entry in results.items()} == {
        "one": True,
        "two": False,
        "three": False,
    }
    assert either.newest().id == "three"
    assert (either.newest_verified() or either.newest()).id == "three"
    assert plan_pruning(either, 1).removed == ("two",)
    done = prune(either, 1)
    assert (done.removed, set(done.kept), done.unreadable) == (("two",), {"one", "three"}, ("one",))
    assert prune(either, 1, ["one"]).removed == ("one",)
    assert [entry.id for entry in either.list().snapshots] == ["three"]
    written(either, "four")  # the sweep before it passes the stray files


def test_what_is_named_to_be_pruned_must_be_there_and_free(made: Manifest, store: Store) -> None:
    """An unknown id is a usage error, a pinned one refused; nothing is removed then."""
    store.pin("one", "by hand")
    for ids, error in ((["nothing"], UsageError), (["one"], Refused), (["../x"], UsageError)):
        with pytest.raises(error):
            prune(store, 1, ids)
    assert [entry.id for entry in store.list().snapshots] == ["one"]


def test_a_link_is_removed_and_not_followed(store: Store, made: Manifest) -> None:
    """Removing a snapshot that is a link removes the link alone."""
    link_snapshot(store)
    assert prune(store, 1, ["one"]).removed == ("one",)
    assert not store.path("one").is_symlink()
    assert (store.directory.parent / "elsewhere" / "manifest.json").is_file()


def test_a_larger_remote_file_is_not_fetched(store: Store, made: Manifest, tmp_path: Path) -> None:
    """What is longer than recorded might fill this disk."""
    with (store.path("one") / DUMP / "toc.dat").open("ab") as stream:
        stream.truncate(10**12)
    remote = RemoteStore(tmp_path / "staged", objects=ObjectStore(f"local://{store.directory}"))
    with pytest.raises(CheckFailed, match=r"toc\.dat has 1000000000000 bytes"), remote.raw("one"):
        pytest.fail("fetched")
