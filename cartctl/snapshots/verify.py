"""Whether a snapshot is unchanged and contains what its manifest says."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, StepFailed
from cartctl.snapshots.manifest.manifest import DamagedSnapshot, Manifest
from cartctl.snapshots.storage.dump_files import file_faults
from cartctl.snapshots.storage.encryption import checksums
from cartctl.snapshots.storage.local import Store

LIST_LIMIT = timedelta(minutes=5)
_AGAIN = "Take a new snapshot: this one cannot be restored."


def verify(store: Store, snapshot: str, pulse: Pulse) -> Checks:
    """Manifest, checksums, and the dump's own table of contents; the result is recorded with the snapshot.

    Raises UsageError when there is no such snapshot, and the pulse's alarm.
    """
    try:
        manifest = store.get(snapshot)
    except DamagedSnapshot as damaged:
        store.note_verified(snapshot, passed=False)
        return Checks((CheckResult("manifest", Verdict.FAIL, damaged.message, "as written", _AGAIN),))
    try:
        with store.raw(snapshot) as dump:
            files = _files(dump, manifest, pulse)
    except DamagedSnapshot as damaged:
        files = CheckResult("checksums", Verdict.FAIL, damaged.message, "every file as written", _AGAIN)
    checks = Checks((_manifest(manifest, snapshot), files, _opened(store, snapshot, manifest, files, pulse)))
    if checks.verdict is not Verdict.UNKNOWN:
        store.note_verified(snapshot, passed=checks.verdict is Verdict.PASS)
    return checks


def _manifest(manifest: Manifest, snapshot: str) -> CheckResult:
    rows = sum(table.rows for table in manifest.tables)
    summary = (
        f"{len(manifest.tables)} tables, {rows} rows, {len(manifest.files)} files, {manifest.bytes} bytes"
    )
    verdict = Verdict.PASS if manifest.files else Verdict.FAIL
    return CheckResult(
        "manifest", verdict, summary, f"the manifest of {snapshot}", "" if manifest.files else _AGAIN
    )


def _files(dump: Path, manifest: Manifest, pulse: Pulse) -> CheckResult:
    try:
        wrong = list(_wrong_files(dump, manifest, pulse))
    except DamagedSnapshot as unreadable:
        wrong = [unreadable.message]
    except OSError as failed:
        wrong = [f"{Path(failed.filename or dump).name} cannot be read: {failed.strerror}"]
    if wrong:
        return CheckResult("checksums", Verdict.FAIL, "; ".join(wrong[:5]), "every file as written", _AGAIN)
    return CheckResult("checksums", Verdict.PASS, f"{len(manifest.files)} files as written")


def _wrong_files(dump: Path, manifest: Manifest, pulse: Pulse) -> Iterator[str]:
    faults = file_faults(dump, manifest)
    yield from (f"{name} {fault}" for name, fault in faults.items())
    whole = [name for name in manifest.files if name not in faults]
    for name, digest in _read(dump, whole, manifest, pulse):
        if digest != manifest.files[name].sha256:
            yield f"{name} has a different checksum"


def _read(dump: Path, names: list[str], manifest: Manifest, pulse: Pulse) -> Iterator[tuple[str, str]]:
    """Name and checksum of files, with progress in bytes of the whole dump."""
    done = 0
    for name, digest in checksums(dump / name for name in names):
        pulse.check()
        done += manifest.files[name].bytes
        pulse.progress(done, manifest.bytes, "bytes")
        yield name, digest


def _opened(store: Store, snapshot: str, manifest: Manifest, files: CheckResult, pulse: Pulse) -> CheckResult:
    """Without the key, an encrypted dump is compared with what was recorded before its encryption."""
    if manifest.encryption and not (store.cipher and store.cipher.can_open):
        observed = f"encrypted with {manifest.encryption}; checked before it was encrypted"
        return CheckResult("contents", Verdict.PASS, observed)
    if manifest.encryption and files.verdict is not Verdict.PASS:
        return CheckResult(
            "contents", Verdict.FAIL, "not read: its files have changed since they were written", hint=_AGAIN
        )
    try:
        with store.opened(snapshot) as dump:
            return _contents(dump.path, manifest, pulse)
    except DamagedSnapshot as damaged:
        return CheckResult("contents", Verdict.FAIL, damaged.message, hint=_AGAIN)
    except ConfigError as missing:
        return CheckResult("contents", Verdict.UNKNOWN, missing.message, hint=missing.hint)
    except StepFailed as failed:
        pulse.check()
        return CheckResult("contents", Verdict.UNKNOWN, failed.message, hint=failed.hint)


def _contents(dump: Path, manifest: Manifest, pulse: Pulse) -> CheckResult:
    """`pg_restore --list` against the manifest's tables."""
    name, expected = "contents", f"data of {len(manifest.tables)} tables"
    try:
        lines = (
            find_tools(manifest.server.version_num)
            .list(dump, attend=pulse.attending(LIST_LIMIT.total_seconds(), "pg_restore --list"))
            .splitlines()
        )
    except ConfigError as missing:
        return CheckResult(name, Verdict.UNKNOWN, missing.message, expected, missing.hint)
    except StepFailed as failed:
        pulse.check()  # a stopped tool says nothing about the dump
        return CheckResult(name, Verdict.FAIL, failed.message, expected, _AGAIN)
    listed = [line for line in lines if " TABLE DATA " in line and not line.startswith(";")]
    missing_data = [
        f"{table.schema_name}.{table.name}"
        for table in manifest.tables
        if not any(f" TABLE DATA {table.schema_name} {table.name} " in line for line in listed)
    ]
    if missing_data or len(listed) != len(manifest.tables):
        summary = f"data of {len(listed)} tables; missing: {', '.join(missing_data[:5]) or 'none'}"
        return CheckResult(name, Verdict.FAIL, summary, expected, _AGAIN)
    return CheckResult(name, Verdict.PASS, expected, expected)
