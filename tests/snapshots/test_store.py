"""Where snapshots are kept: listed, pinned, found by id, and only where they may lie."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cartctl.config.load import environment_directory
from cartctl.config.model.environment import Environment
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Refused, StepFailed, UsageError
from cartctl.render.json import document
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.storage.destination import open_store, refuse_plain
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify
from cartctl.steps.database.snapshot import Snapshot


def _environment(**database: Any) -> Environment:
    settings: dict[str, Any] = {
        "name": "staging",
        "database": {"dsn": {"literal": "dbname=cart"}, **database},
        "cluster": {"kind": "sandbox"},
        "http": {"api": "http://127.0.0.1:1"},
    }
    return Environment.model_validate(settings)


def _run(tmp_path: Path) -> Run:
    return Run(
        id="20260102T020000Z-ab12",
        env="test",
        started=datetime.now(UTC),
        directory=tmp_path,
        outcome="succeeded",
        results={},
    )


def test_the_list_has_the_documented_fields(made: Manifest, store: Store) -> None:
    """The JSON of a list is the interface of the command line's page."""
    verify(store, "one", Pulse())
    store.pin("one", "test")
    result = document(store.list())
    created = result["snapshots"][0].pop("created_at")
    assert created.endswith("Z")
    assert result == {
        "kind": "snapshots",
        "version": 1,
        "snapshots": [
            {
                "id": "one",
                "provider": "local",
                "bytes": made.bytes,
                "verified": True,
                "pinned": True,
                "heads": ["20260101140542"],
                "unreadable": "",
            }
        ],
    }


def test_the_newest_comes_first(made: Manifest, subject: Subject, store: Store) -> None:
    """Snapshots are listed newest first, and only a verified one is the newest verified."""
    create(subject, store, "two", Pulse())
    verify(store, "one", Pulse())
    assert [entry.id for entry in store.list().snapshots] == ["two", "one"]
    newest = store.newest_verified()
    assert newest is not None
    assert newest.id == "one"


def test_a_damaged_snapshot_is_listed_as_not_verified(made: Manifest, store: Store) -> None:
    """What cannot be read is shown rather than left out."""
    verify(store, "one", Pulse())
    (store.path("one") / "manifest.json").unlink()
    (entry,) = store.list().snapshots
    assert (entry.id, entry.verified) == ("one", False)


def test_an_unfinished_one_is_not_listed(store: Store) -> None:
    """A directory that is still being written is no snapshot."""
    with store.making("one"):
        assert store.list().snapshots == ()


@pytest.mark.parametrize("wrong", ("", "..", "../x", "a/b", ".partial-x", "a" * 101, "a b"))
def test_what_is_no_id_is_refused(store: Store, wrong: str) -> None:
    """No id leads outside the store."""
    with pytest.raises(UsageError):
        store.path(wrong)


def test_a_store_lies_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configured place, snapshots are kept per environment on this machine."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    environment = _environment(dsn="dbname=cart")
    directory = open_store(environment).directory
    assert directory == environment_directory(environment) / "snapshots"
    assert directory.is_relative_to(tmp_path)
    assert directory != open_store(_environment(dsn="dbname=another")).directory


@pytest.mark.parametrize("url", ("/var/backups/cart one", "file:///var/backups/cart%20one"))
def test_a_store_can_be_a_path_or_a_file_address(url: str) -> None:
    """A path and a file:// address mean the same directory."""
    assert open_store(_environment(snapshots={"url": url})).directory == Path("/var/backups/cart one")


@pytest.mark.parametrize("url", ("nothing://x/y", "file://u:p@elsewhere/x", "sftp://u:p@host/x"))
def test_places_that_cannot_be_reached_are_refused(url: str) -> None:
    """An address that nothing here speaks is refused in a sentence that shows no credentials."""
    with pytest.raises(ConfigError) as caught:
        open_store(_environment(snapshots={"url": url}))
    assert "u:p" not in caught.value.message


def test_a_protected_environment_has_no_plain_dumps() -> None:
    """A plain local dump is refused in a protected environment, and only there."""
    protected = _environment().model_copy(update={"protected": True})
    with pytest.raises(Refused, match="protected"):
        refuse_plain(protected)
    refuse_plain(_environment())


def test_a_directory_that_cannot_be_written_is_refused(subject: Subject, tmp_path: Path) -> None:
    """A store below a file is refused in a sentence with the place."""
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be stored in"):
        create(subject, Store(tmp_path / "file" / "store"), "one", Pulse())


def test_the_step_makes_verifies_and_pins(subject: Subject, store: Store, tmp_path: Path) -> None:
    """The step's result says where the snapshot is and the point in time it stands for; the next attempt finds it."""
    step, run = Snapshot(subject, store), _run(tmp_path)
    assert step.find(run) is None
    result = step.perform(run, Pulse())
    assert result["verified"] is True
    assert Path(result["path"]).is_dir()
    assert {"id", "path", "bytes", "wal_lsn", "at", "verified"} <= set(result)
    (entry,) = store.list().snapshots
    assert (entry.verified, entry.pinned) == (True, True)
    assert step.find(run) == result
    assert step.find(dataclasses.replace(run, id="another")) is None


def test_the_step_does_not_take_an_unverified_one_for_made(
    subject: Subject, store: Store, tmp_path: Path
) -> None:
    """A run that died between dump and verification verifies the same dump on the next attempt."""
    step, run = Snapshot(subject, store), _run(tmp_path)
    made = create(subject, store, "run-" + run.id, Pulse())
    assert step.find(run) is None
    assert step.perform(run, Pulse())["at"] == made.target.at.isoformat()


def test_the_step_fails_when_the_dump_does_not_verify(subject: Subject, store: Store, tmp_path: Path) -> None:
    """A dump that is not as written stops the deployment."""
    step, run = Snapshot(subject, store), _run(tmp_path)
    create(subject, store, "run-" + run.id, Pulse())
    next((store.path("run-" + run.id) / "dump").iterdir()).write_bytes(b"")
    with pytest.raises(StepFailed, match=r"The verification of snapshot .* failed: checksums"):
        step.perform(run, Pulse())


def test_a_run_that_is_resumed_late_takes_another_snapshot(
    subject: Subject, store: Store, tmp_path: Path
) -> None:
    """A snapshot older than the limit is not found again; the next one has an id of its own, and is found."""
    run = _run(tmp_path)
    first = Snapshot(subject, store).perform(run, Pulse())
    late = Snapshot(subject, store, max_age=timedelta(0))
    assert late.find(run) is None
    second = late.perform(run, Pulse())
    assert (first["id"], second["id"]) == (f"run-{run.id}", f"run-{run.id}-2")
    result = Snapshot(subject, store, max_age=timedelta(hours=1)).find(run)
    assert result is not None
    assert result["id"] == first["id"]
