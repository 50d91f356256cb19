"""A snapshot restored elsewhere: pass, fail, or could not find out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.scratch import nearest, scratch_server
from cartctl.database.catalogue import fingerprint_hash
from cartctl.database.migrations.apply import deploy
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Inconclusive, Refused
from cartctl.plans.snapshots.restore import drill_on
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.drill import drill
from cartctl.snapshots.manifest.manifest import Manifest, write_manifest
from cartctl.snapshots.storage.entries import Snapshot, Snapshots
from cartctl.snapshots.storage.local import DUMP, Store
from cartctl.snapshots.storage.retention import plan_pruning, prune, too_many
from tests.database.conftest import Settings, settings
from tests.services import Server

__all__ = ["settings"]


@pytest.fixture(scope="module")
def scratch() -> Iterator[Postgres]:
    """A scratch server, as the command makes one."""
    with scratch_server(18) as result:
        yield result


@pytest.fixture
def manifest(migrated: Postgres, store: Store) -> Manifest:
    """A snapshot of a migrated database whose tables a role of its own owns."""
    return create(Subject("test", migrated, fingerprint_hash), store, "one", Pulse())


def verdicts(store: Store, server: Postgres, *, ours: bool = True) -> dict[str, Verdict]:
    """What a drill finds, by check."""
    result = drill(store, "one", server, fingerprint_hash, Pulse(), ours=ours)
    return {check.name: check.verdict for check in result.checks}


def test_a_good_snapshot_passes_and_leaves_nothing(
    store: Store, scratch: Postgres, manifest: Manifest
) -> None:
    """Restored, every row counted, the structure the very same; the scratch database is gone."""
    assert verdicts(store, scratch) == dict.fromkeys(("restores", "rows", "structure"), Verdict.PASS)
    with scratch.session("tests") as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'cartctl_drill%'"
        ).fetchone()
    assert left == (0,)


def test_roles_of_another_server_are_made_on_a_scratch_one(
    pg15: Server, store: Store, scratch: Postgres, settings: Settings
) -> None:
    """Owners and grants of roles that only the source has are compared too, across versions."""
    database = pg15.create_platform()
    pg15.execute("CREATE ROLE shop_owner")
    pg15.execute("CREATE ROLE shop_app")
    pg15.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO shop_owner')
    with database.session("tests") as connection:
        connection.execute("GRANT CREATE, USAGE ON SCHEMA public TO shop_owner")
        connection.execute("GRANT REFERENCES ON companies, sites, customers, products TO shop_owner")
    deploy(database, settings(database, owner_role="shop_owner", app_role="shop_app"), "run", Pulse())
    made = create(Subject("test", database, fingerprint_hash), store, "one", Pulse())
    assert {"shop_owner", "shop_app"} <= set(made.roles)
    result = verdicts(store, scratch)
    assert (result["restores"], result["rows"]) == (Verdict.PASS, Verdict.PASS)
    assert result["structure"] in {Verdict.PASS, Verdict.UNKNOWN}
    assert verdicts(store, scratch, ours=False)["structure"] is result["structure"]
    pg15.drop(database)
    for role in ("shop_owner", "shop_app"):
        pg15.execute(f"DROP ROLE {role}")


def test_what_is_lost_is_found(store: Store, scratch: Postgres, manifest: Manifest) -> None:
    """A wrong count and a wrong fingerprint fail; a dump that does not restore fails."""
    wrong = manifest.tables[0].model_copy(update={"rows": 7})
    changed = manifest.model_copy(update={"tables": (wrong, *manifest.tables[1:]), "fingerprint": "other"})
    write_manifest(store.path("one"), changed)
    result = verdicts(store, scratch)
    assert (result["restores"], result["rows"], result["structure"]) == (
        Verdict.PASS,
        Verdict.FAIL,
        Verdict.FAIL,
    )
    toc = store.path("one") / DUMP / "toc.dat"
    toc.write_bytes(toc.read_bytes()[:2000])
    assert verdicts(store, scratch) == {"restores": Verdict.FAIL}


def test_an_older_server_says_nothing(pg15: Server, store: Store, manifest: Manifest) -> None:
    """A server that could not read the dump makes it unknown, never a pass."""
    assert verdicts(store, pg15.database("postgres"), ours=False) == {"restores": Verdict.UNKNOWN}


def test_a_missing_extension_says_nothing(pg15: Server, store: Store, scratch: Postgres) -> None:
    """What the scratch server does not have is no fault of the snapshot's."""
    database = pg15.create_database()
    with database.session("tests") as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pgcrypto")
    create(Subject("test", database, fingerprint_hash), store, "one", Pulse())
    assert verdicts(store, scratch) == {"restores": Verdict.UNKNOWN}
    pg15.drop(database)


@pytest.mark.parametrize(("major", "version"), ((14, 16), (16, 16), (17, 18), (18, 18), (19, 18)))
def test_the_nearest_version_is_chosen(major: int, version: int) -> None:
    """The next newer one where there is one, else the newest; none at all is inconclusive."""
    assert nearest(major, [16, 18]) == version
    with pytest.raises(Inconclusive, match="No scratch server"):
        nearest(major, [])


def entry(age: int, *, verified: bool = True, pinned: bool = False) -> Snapshot:
    """A snapshot `age` days old."""
    at = datetime(2026, 1, 31, tzinfo=UTC) - timedelta(days=age)
    return Snapshot(f"d{age}", at, "local", 1, verified=verified, pinned=pinned, heads=())


def test_retention_keeps_the_pinned_and_the_newest_verified() -> None:
    """Beyond the newest verified ones all goes but what is pinned; what is newer than the newest verified one stays."""
    known = Snapshots(
        (
            entry(0, verified=False),
            entry(1),
            entry(2, pinned=True),
            entry(3, verified=False),
            entry(4),
            entry(5),
        )
    )
    assert [each.id for each in too_many(known, 2)] == ["d3", "d5"]
    assert [each.id for each in too_many(known, 1)] == ["d3", "d4", "d5"]
    assert too_many(Snapshots((entry(0, verified=False), entry(1, verified=False))), 1) == []


def test_pruning_removes_whole_snapshots(store: Store, manifest: Manifest, migrated: Postgres) -> None:
    """Only shown at first, then removed; a pinned one is refused by name."""
    create(Subject("test", migrated, fingerprint_hash), store, "two", Pulse())
    for name in ("one", "two"):
        store.note_verified(name, passed=True)
    assert plan_pruning(store, 1).removed == ("one",)
    assert prune(store, 1).removed == ("one",)
    assert [path.name for path in store.directory.iterdir()] == ["two"]
    store.pin("two", "by hand")
    with pytest.raises(Refused, match="pinned"):
        store.remove("two")


def test_a_named_server_is_reached_whatever_libpq_finds(
    manifest: Manifest, store: Store, scratch: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With variables that lead elsewhere, as they do where the target is the default, the drill runs on the named server."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGOPTIONS", "-c no_such_setting=1")
    checks = drill_on(store, manifest.id, scratch.dsn, Pulse())
    assert checks.checks[0].verdict is Verdict.PASS
