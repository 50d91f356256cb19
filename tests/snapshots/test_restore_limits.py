"""Restores where a server stands in the way: prepared transactions, extensions, a promoted standby, a full disk, other encodings."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.migrations.apply import deploy
from cartctl.engine.pulse import Pulse
from cartctl.errors import CartctlError, Refused, StepFailed
from cartctl.migrations.frozen import NAMES
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.data_loss.assessment import Loss
from cartctl.snapshots.restore.plan import Consent, measure, plan_restore
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.storage.local import Store
from tests.database.conftest import Settings, settings
from tests.database.test_blockers import prepared
from tests.database.test_migrate import run_sql
from tests.services import Server, debian_server, standby_of
from tests.snapshots.test_loss import _caught_up
from tests.snapshots.test_restore import names

__all__ = ["settings"]


@pytest.fixture
def platform(pg15: Server) -> Iterator[Postgres]:
    """A platform's database with a company, on Debian's server; whatever a test makes is dropped."""
    before = names(pg15)
    database = pg15.create_platform()
    run_sql(database, "INSERT INTO companies (id, name) VALUES ('c', 'C')")
    yield database
    for left in names(pg15) - before - {pg15._platform}:
        pg15.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own that the server's user may write to; skips where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    place = Path(tempfile.mkdtemp(prefix="cartctl-small-"))
    owner = pwd.getpwnam("postgres")
    options = f"size={size},uid={owner.pw_uid},gid={owner.pw_gid},mode=0700"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False).returncode:
        place.rmdir()
        pytest.skip("this machine mounts nothing")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def fill_up(place: Path) -> None:
    """Take all the space that is left."""
    with (place / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))


def test_a_prepared_transaction_refuses_a_restore(platform: Postgres, tmp_path: Path) -> None:
    """Named with what ends it, by the plan and by the run, before anything is restored; nobody could end it after the swap."""
    subject, store = Subject("test", platform, fingerprint_hash), Store(tmp_path)
    create(subject, store, "one", Pulse())
    before = run_sql(platform, "SELECT datname FROM pg_database ORDER BY 1")
    with prepared(platform, "UPDATE companies SET name = 'x'"):
        plan = plan_restore(subject, store, "one", Pulse(), disconnect=True, consent=Consent.ANY)
        with pytest.raises(Refused, match=r"Prepared transactions block renaming .* 'it's one'") as refused:
            restore(subject, store, "one", Pulse(), disconnect=True, accepted=None)
        assert "ROLLBACK PREPARED 'it''s one'" in refused.value.hint
    assert plan.refused == (refused.value.message,)
    assert run_sql(platform, "SELECT datname FROM pg_database ORDER BY 1") == before


def test_the_plan_names_what_a_migration_added(
    platform: Postgres, settings: Settings, tmp_path: Path
) -> None:
    """Of a snapshot from before the migration: its tables, with their rows, would be lost, and the plan would be refused."""
    subject, store = Subject("test", platform, fingerprint_hash), Store(tmp_path)
    create(subject, store, "one", Pulse())
    deploy(platform, settings(platform), "run", Pulse())
    run_sql(
        platform,
        "INSERT INTO carts (id, \"companyId\", status, \"updatedAt\") VALUES ('1', 'c', 'ACTIVE', now())",
    )
    plan = plan_restore(subject, store, "one", Pulse(), disconnect=False, consent=Consent.NONE)
    assert {
        "public.carts added, 1 rows",
        "table public.carts added",
        'type public."CartStatus" added',
    } <= set(plan.loss.lines())
    assert plan.changed["public.carts"] == (0, 1)
    assert plan.refused[0].startswith("changes since the snapshot would be lost")


def test_rows_of_an_extensions_table_are_guarded(platform: Postgres, tmp_path: Path) -> None:
    """A dump leaves them out, so they are lost with a restore whether they changed or not: both are refused by name."""
    run_sql(
        platform,
        "CREATE TABLE rates AS SELECT generate_series(1, 3) AS n",
        "ALTER EXTENSION plpgsql ADD TABLE rates",
    )
    subject, store = Subject("test", platform, fingerprint_hash), Store(tmp_path)
    made = create(subject, store, "one", Pulse())
    assert not measure(platform, made, Pulse()).tables
    plan = plan_restore(subject, store, "one", Pulse(), disconnect=True, consent=Consent.NONE)
    assert any(note.startswith("table public.rates belongs to an extension (3 rows)") for note in plan.notes)
    with pytest.raises(Refused, match="rates"):
        restore(subject, store, "one", Pulse(), disconnect=True, accepted=Loss())
    run_sql(platform, "INSERT INTO rates VALUES (4)")
    with pytest.raises(Refused, match=r"public\.rates 3 → 4 rows, 1 new or updated"):
        restore(subject, store, "one", Pulse(), disconnect=True, accepted=Loss())
    assert run_sql(platform, "SELECT count(*) FROM rates") == [(4,)]


def test_a_promoted_standby_is_compared_or_refused(tmp_path: Path) -> None:
    """From before the promotion: compared exactly. Taken on the old primary after the standby had left: refused."""
    with debian_server() as primary:
        database = primary.create_database()
        run_sql(database, "CREATE TABLE t AS SELECT generate_series(1, 5) AS n")
        subject, store = Subject("test", database, fingerprint_hash), Store(tmp_path)
        shared = create(subject, store, "shared", Pulse())
        with standby_of(primary) as standby:
            there = standby.database(database.name)
            _caught_up(database, there)
            run_sql(there, "SELECT pg_promote()")
            run_sql(there, "INSERT INTO t VALUES (6)")
            run_sql(database, "INSERT INTO t VALUES (7), (8)")
            other = create(subject, store, "other", Pulse())
            same = measure(there, shared, Pulse())
            assert (list(map(str, same.tables)), same.unknown) == (
                ["public.t 5 → 6 rows, 1 new or updated, 0 deleted or updated"],
                (),
            )
            run_sql(there, "CREATE TABLE filler AS SELECT generate_series(1, 100000)")
            strange = measure(there, other, Pulse())
            assert strange.unknown == ("the server was recovered to a time before the snapshot",)
            with pytest.raises(Refused, match="cannot determine what would be lost"):
                restore(
                    Subject("test", there, fingerprint_hash),
                    store,
                    "other",
                    Pulse(),
                    disconnect=True,
                    accepted=Loss(),
                )


def test_names_of_another_encoding_are_safe(pg15: Server, tmp_path: Path) -> None:
    """In EUC_JP letters take other numbers of bytes: a long ASCII name is restored and kept, others are refused unchanged."""
    before = names(pg15)
    made = ("s" * 63, "ä" * 31, "日" * 21)
    for name in made:
        pg15.execute(
            f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    try:
        subject, store = Subject("test", pg15.database(made[0]), fingerprint_hash), Store(tmp_path)
        create(subject, store, "one", Pulse())
        kept = restore(subject, store, "one", Pulse(), disconnect=False, accepted=None).kept_as
        assert names(pg15) == before | {*made, kept}
        for name in made[1:]:
            with pytest.raises(CartctlError):  # their names are no text of their own encoding
                create(Subject("test", pg15.database(name), fingerprint_hash), store, "two", Pulse())
        assert names(pg15) == before | {*made, kept}
        assert [each.name for each in tmp_path.iterdir()] == ["one"]
    finally:
        for left in names(pg15) - before:
            pg15.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


def test_a_full_disk_of_the_server_leaves_the_database_as_it_was(
    pg15: Server, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration is rolled back, a restore removes what it made; both say so, and go through once there is space."""
    with small_disk("64m") as place:
        pg15.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        template = pg15.name_of(pg15.create_platform())
        pg15.execute(f'CREATE DATABASE small_shop TEMPLATE "{template}" TABLESPACE small')
        database = pg15.database("small_shop")
        subject, store = Subject("test", database, fingerprint_hash), Store(tmp_path)
        before = names(pg15)
        try:
            create(subject, store, "one", Pulse())
            fill_up(place)
            with pytest.raises(StepFailed, match="No space left on device"):
                deploy(database, settings(database), "run", Pulse())
            assert run_sql(database, "SELECT to_regclass('carts')::text") == [(None,)]
            (place / "ballast").unlink()

            def fill(name: str, moment: str) -> None:
                if (name, moment) == ("pg_tools.restore", "before"):
                    fill_up(place)

            with monkeypatch.context() as patch:
                patch.setattr(effects, "probe", fill)
                with pytest.raises(StepFailed, match="no space left on the server's disk") as failed:
                    restore(subject, store, "one", Pulse(), disconnect=True, accepted=None)
            assert "cartctl snapshot restore one" in failed.value.hint
            assert names(pg15) - before <= {"small_shop_restoring"}
            (place / "ballast").unlink()
            assert deploy(database, settings(database), "run", Pulse()).applied == NAMES
            kept = restore(subject, store, "one", Pulse(), disconnect=True, accepted=None).kept_as
            assert names(pg15) - before == {kept}
        finally:
            for left in (names(pg15) - before) | {"small_shop", template}:
                pg15.execute(f'DROP DATABASE IF EXISTS "{left}" WITH (FORCE)')
            pg15.execute("DROP TABLESPACE small")
