"""Making snapshots: what they hold, what they say of it, and that a failed one leaves nothing."""

import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cartctl.adapters import effects
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, Locked, Refused, StepFailed
from cartctl.snapshots.create import Subject, create, jobs_for, new_id
from cartctl.snapshots.manifest.manifest import Manifest, read_manifest
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify
from tests.services import Server


def test_the_manifest_says_what_was_in_the_database(made: Manifest) -> None:
    """Rows, heads, ledger, fingerprint, versions and the point in time stand in the manifest; the journal does not."""
    rows = {f"{table.schema_name}.{table.name}": table.rows for table in made.tables}
    assert rows == {
        "cartctl.alembic_version": 1,
        "public._prisma_migrations": 2,
        "public.companies": 3,
        "public.customers": 0,
        "public.orders": 0,
        "public.products": 0,
        "public.sites": 0,
    }
    assert made.heads == ("20260101140542",)
    assert made.ledger_rows == 2
    assert made.fingerprint == "fingerprint"
    assert made.server.version_num // 10000 == 18
    assert made.tool.startswith("pg_dump 18.")
    assert "/" in made.target.wal_lsn


def test_a_snapshot_verifies_on_every_supported_server(each_server: Postgres, store: Store) -> None:
    """Dump and verification use the tools of the server's own version."""
    create(Subject("test", each_server, lambda _: ""), store, "one", Pulse())
    assert verify(store, "one", Pulse()).verdict is Verdict.PASS


def test_a_snapshot_restores_row_for_row(made: Manifest, store: Store, pg18: Server) -> None:
    """pg_restore of the dump into an empty database brings every row back."""
    target = pg18.create_database()
    try:
        restore = find_tools(made.server.version_num).bin / "pg_restore"
        argv = [
            restore,
            "--exit-on-error",
            "--no-owner",
            f"--dbname={target.dsn}",
            store.path("one") / "dump",
        ]
        subprocess.run([str(part) for part in argv], check=True)
        with target.session("tests") as connection:
            assert connection.execute("SELECT id FROM companies ORDER BY 1").fetchall() == [
                ("a",),
                ("b",),
                ("c",),
            ]
            assert connection.execute("SELECT to_regnamespace('cartctl_journal')").fetchone() == (None,)
    finally:
        pg18.drop(target)


def test_counts_and_dump_are_of_one_moment(subject: Subject, store: Store) -> None:
    """A row written while the snapshot is being made is neither counted nor dumped."""

    def write_meanwhile(_: Connection) -> str:
        with subject.database.session("tests") as other:
            other.execute("INSERT INTO companies (id, name) VALUES ('late', 'Late')")
        return ""

    made = create(Subject("test", subject.database, write_meanwhile), store, "one", Pulse())
    assert next(table.rows for table in made.tables if table.name == "companies") == 3
    dumped = find_tools(made.server.version_num).bin / "pg_restore"
    argv = [str(dumped), "--data-only", "--table=companies", "--file=-", str(store.path("one") / "dump")]
    output = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "late" not in output


def test_only_its_owner_can_read_a_snapshot(made: Manifest, store: Store) -> None:
    """Directories are 0700 and files 0600, whatever the umask."""
    for path in [store.path("one"), *store.path("one").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_complete_snapshot_is_not_made_again(made: Manifest, subject: Subject, store: Store) -> None:
    """The same id gives the snapshot that is there."""
    assert create(subject, store, "one", Pulse()) == made


def test_a_damaged_snapshot_is_made_again(made: Manifest, subject: Subject, store: Store) -> None:
    """The same id replaces a snapshot without a usable manifest."""
    (store.path("one") / "manifest.json").write_text("{")
    again = create(subject, store, "one", Pulse())
    assert read_manifest(store.path("one")) == again


def test_a_disk_without_room_refuses_with_the_numbers(
    subject: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written when the dump may be larger than what is free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(Refused, match=r"it takes up to [\d.]+ MB, .* has 0\.0 MB free"):
        create(subject, store, "one", Pulse())
    assert not store.directory.exists()


def test_a_disk_that_fills_up_leaves_nothing(subject: Subject, store: Store, tmp_path: Path) -> None:
    """A dump that hits a limit of the file system is removed, and the next command is named."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from pathlib import Path; from cartctl.adapters.postgres import Postgres;"
        "from cartctl.engine.pulse import Pulse; from cartctl.errors import StepFailed;"
        "from cartctl.snapshots.create import Subject, create; from cartctl.snapshots.storage.local import Store;"
        "import sys\n"
        "try: create(Subject('t', Postgres(sys.argv[1]), lambda _: ''), Store(Path(sys.argv[2])), 'one', Pulse())\n"
        "except StepFailed as failed: print(failed.message, failed.hint); sys.exit(failed.exit_code)"
    )
    argv = [sys.executable, "-c", code, subject.database.dsn, str(store.directory)]
    ended = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 5, ended.stderr
    assert "no space left on the disk" in ended.stdout
    assert "cartctl snapshot create" in ended.stdout
    assert list(store.directory.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_file_system_that_fills_up_leaves_nothing(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real small file system, full when the dump begins: the next command is named and nothing is left."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False
    ).returncode:
        pytest.skip("this machine mounts nothing")

    def fill(name: str, moment: str) -> None:
        if (name, moment) == ("pg_tools.dump", "before"):
            with (place / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
                while True:
                    stream.write(bytes(4096))

    monkeypatch.setattr(effects, "probe", fill)
    try:
        with pytest.raises(StepFailed, match="no space left on the disk") as failed:
            create(subject, Store(place / "store"), "one", Pulse())
        assert "cartctl snapshot create" in failed.value.hint
        assert list((place / "store").iterdir()) == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_cancelled_dump_leaves_nothing(subject: Subject, store: Store) -> None:
    """An alarm while pg_dump is at work ends it at once and removes what was written."""
    pulse = Pulse()
    pulse.progress = lambda *_: pulse.alarm(Interrupted("Ctrl-C"))
    with pytest.raises(Interrupted):
        create(subject, store, "one", pulse)
    assert list(store.directory.iterdir()) == []


def test_an_alarm_ends_the_counting_of_rows(subject: Subject, store: Store) -> None:
    """A query that waits is cancelled from the alarm's thread."""
    pulse = Pulse()
    with subject.database.session("tests", autocommit=False) as holder:
        holder.execute("LOCK TABLE sites IN ACCESS EXCLUSIVE MODE")
        timer = threading.Timer(0.3, pulse.alarm, [Interrupted("Ctrl-C")])
        timer.start()
        with pytest.raises(Interrupted):
            create(subject, store, "one", pulse)
        timer.join()
    assert not store.directory.exists() or list(store.directory.iterdir()) == []


def test_a_role_that_may_not_read_everything_leaves_nothing(
    subject: Subject, store: Store, pg18: Server
) -> None:
    """Without the right to read a table there is no snapshot, rather than one without it."""
    pg18.execute("DROP ROLE IF EXISTS reader_of_little")
    pg18.execute("CREATE ROLE reader_of_little LOGIN")
    little = Postgres(make_conninfo(subject.database.dsn, user="reader_of_little"))
    with pytest.raises(Exception, match="permission denied"):
        create(Subject("test", little, lambda _: ""), store, "one", Pulse())
    assert not store.directory.exists() or list(store.directory.iterdir()) == []
    pg18.execute("DROP ROLE reader_of_little")


def test_rows_hidden_by_a_policy_stop_the_snapshot(subject: Subject, store: Store, pg18: Server) -> None:
    """Row-level security that hides rows from the role is an error, never a smaller dump."""
    pg18.execute("DROP ROLE IF EXISTS reader_of_some")
    pg18.execute("CREATE ROLE reader_of_some LOGIN IN ROLE pg_read_all_data")
    with subject.database.session("tests") as connection:
        connection.execute("ALTER TABLE companies ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY few ON companies USING (id = 'a')")
    some = Postgres(make_conninfo(subject.database.dsn, user="reader_of_some"))
    with pytest.raises(Exception, match="row-level security"):
        create(Subject("test", some, lambda _: ""), store, "one", Pulse())
    pg18.execute("DROP ROLE reader_of_some")


@pytest.mark.parametrize(
    "point",
    ("pg_tools.dump before", "pg_tools.dump after", "snapshots.publish before", "snapshots.publish after"),
)
def test_a_killed_attempt_is_finished_by_the_next(subject: Subject, store: Store, point: str) -> None:
    """SIGKILL around each effect, then the same id again: one complete snapshot and nothing else."""
    killed = os.fork()
    if killed == 0:
        _die_at(point)
        try:
            create(subject, store, "one", Pulse())
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(killed, 0)[1]) == -9
    create(subject, store, "one", Pulse())
    assert verify(store, "one", Pulse()).verdict is Verdict.PASS
    assert [path.name for path in store.directory.iterdir()] == ["one"]


def test_two_attempts_at_one_snapshot_do_not_meet(subject: Subject, store: Store) -> None:
    """While one process makes a snapshot, another attempt at the same id is refused and disturbs nothing."""
    with store.making("one") as partial, pytest.raises(Locked):
        create(subject, store, "one", Pulse())
    assert not partial.exists()
    assert store.path("one").is_dir()


def test_progress_is_reported_in_bytes(subject: Subject, store: Store) -> None:
    """What was written and the database's size, in bytes."""
    messages: list[tuple[float, float, str]] = []
    create(subject, store, "one", Pulse(progress=lambda *what: messages.append(what)))
    assert messages
    assert {unit for _, _, unit in messages} == {"bytes"}
    assert all(0 <= done <= total for done, total, _ in messages)


def test_the_dsn_of_a_password_file_works(subject: Subject, store: Store, tmp_path: Path) -> None:
    """A DSN that names its parts in another way reaches pg_dump unchanged."""
    parts = conninfo_to_dict(subject.database.dsn)
    passfile = tmp_path / "pass word"
    passfile.touch(mode=0o600)
    odd = make_conninfo("", **{**parts, "passfile": str(passfile), "application_name": "it's"})
    create(Subject("test", Postgres(odd), lambda _: ""), store, "one", Pulse())
    assert store.path("one").is_dir()


def test_the_number_of_workers_follows_size_and_cores() -> None:
    """A small database gets one worker, a large one as many as there are cores, at most eight."""
    assert jobs_for(10_000_000, 16) == 1
    assert jobs_for(10**12, 4) == 4
    assert jobs_for(10**12, 64) == 8


def test_new_ids_are_ids(store: Store) -> None:
    """An id made for a command is one that the store accepts."""
    assert store.path(new_id()).parent == store.directory


def _die_at(point: str) -> None:
    def probe(name: str, moment: Any) -> None:
        if f"{name} {moment}" == point:
            os.kill(os.getpid(), 9)

    replaced: Callable[..., None] = probe
    effects.probe = replaced
