"""The restore guard: what the whole database would lose is known, exactly or refused, and measured again before the swap."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.data_loss.assessment import Loss
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.restore.plan import Consent, measure, plan_restore
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.storage.local import Store
from tests.services import Server, standby_of
from tests.snapshots.test_restore import names

SHOP = """
CREATE TABLE carts (id int PRIMARY KEY, note text);
INSERT INTO carts SELECT n, 'x' FROM generate_series(1, 1000) AS n;
CREATE TABLE orders (id serial PRIMARY KEY, total int);
INSERT INTO orders (total) SELECT n FROM generate_series(1, 10) AS n;
CREATE TYPE mood AS ENUM ('a');
CREATE VIEW totals AS SELECT sum(total) FROM orders;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


def run(database: Postgres, *statements: str) -> None:
    """Statements, each in a transaction of its own."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def lines_of(loss: Loss) -> set[str]:
    """The lines of a loss."""
    return set(loss.lines())


@pytest.fixture
def shop(server: Server) -> Iterator[Subject]:
    """A database with a little of everything, on each supported server in turn."""
    before = names(server)
    database = server.create_database()
    run(database, SHOP)
    yield Subject("test", database, lambda _: "same")
    for left in names(server) - before:
        server.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


ONE = pytest.mark.parametrize("server", ("pg18",), indirect=True)


def lost(shop: Subject, made: Manifest) -> Loss:
    """What a restore would lose now."""
    return measure(shop.database, made, Pulse())


def test_everything_that_changed_is_known(shop: Subject, store: Store) -> None:
    """Nothing at first; then rows by table, updated or not, a new table, sequence, view, function, type and index."""
    made = create(shop, store, "one", Pulse())
    run(shop.database, "VACUUM FREEZE", "ANALYZE", "CREATE TEMP TABLE mine (id int)", "REINDEX TABLE carts")
    assert not lost(shop, made)
    run(
        shop.database,
        "UPDATE carts SET note = 'y' WHERE id <= 500",
        "DELETE FROM carts WHERE id > 990",
        "INSERT INTO carts SELECT n, 'n' FROM generate_series(2001, 2005) AS n",
        "CREATE TABLE invoices AS SELECT n FROM generate_series(1, 1000) AS n",
        "SELECT nextval('orders_id_seq')",
        "ALTER TYPE mood ADD VALUE 'b'",
        "CREATE OR REPLACE VIEW totals AS SELECT sum(total) + 0 AS sum FROM orders",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE INDEX carts_note ON carts (note)",
        "SELECT lo_from_bytea(0, 'x')",
    )
    result = lines_of(lost(shop, made))
    assert {
        "public.carts 1000 → 995 rows, 505 new or updated, 510 deleted or updated",
        "public.invoices added, 1,000 rows",
        "pg_catalog.pg_largeobject added, 1 rows",
        "sequence public.orders_id_seq 10 → 11",
        "table public.invoices added",
        "type public.mood changed",
        "function public.one() changed",
        "index public.carts_note added",
    } <= result
    assert any(line.startswith("rule ") and line.endswith("changed") for line in result)
    with pytest.raises(Refused, match="changes since the snapshot would be lost"):
        restore(shop, store, "one", Pulse(), disconnect=True, accepted=Loss())
    done = restore(shop, store, "one", Pulse(), disconnect=True, accepted=None)
    assert lines_of(done.loss) == result


def running(database: Postgres, statement: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection with an open transaction that has run a statement."""
    connection = psycopg.connect(database.dsn)
    connection.execute(statement.encode())
    return connection


def test_transactions_in_progress_at_the_snapshot_count(shop: Subject, store: Store) -> None:
    """Committed after it, with or without subtransactions: new. Committed before it beside an older one: not."""
    with closing(running(shop.database, "INSERT INTO carts VALUES (3001, 'top')")) as slow:
        slow.execute("SAVEPOINT s")
        slow.execute("INSERT INTO carts VALUES (3002, 'sub')")
        slow.execute("RELEASE SAVEPOINT s")
        run(shop.database, "INSERT INTO orders (total) VALUES (1), (2)")
        made = create(shop, store, "one", Pulse())
        assert made.state is not None
        assert made.state.origin.xmin < made.state.origin.xmax
        assert not lost(shop, made)
        slow.commit()
    assert lines_of(lost(shop, made)) == {
        "public.carts 1000 → 1002 rows, 2 new or updated, 0 deleted or updated"
    }


def test_a_count_that_is_the_same_hides_nothing(shop: Subject, store: Store) -> None:
    """One row deleted and another inserted: as many as then, and both known."""
    made = create(shop, store, "one", Pulse())
    run(shop.database, "DELETE FROM carts WHERE id = 1", "INSERT INTO carts VALUES (5000, 'new')")
    assert lines_of(lost(shop, made)) == {
        "public.carts 1000 → 1000 rows, 1 new or updated, 1 deleted or updated"
    }


Change = Callable[[Manifest], Manifest]


def with_origin(**parts: object) -> Change:
    """A manifest whose origin is another."""

    def change(made: Manifest) -> Manifest:
        assert made.state is not None
        origin = made.state.origin.model_copy(update=parts)
        return made.model_copy(update={"state": made.state.model_copy(update={"origin": origin})})

    return change


@ONE
@pytest.mark.parametrize(
    ("change", "reason"),
    (
        (lambda made: made.model_copy(update={"state": None}), "records no transaction snapshot"),
        (with_origin(system_identifier="1"), "another server"),
        (with_origin(database=1), "recreated"),
        (with_origin(snapshot="9000000000000:9000000000000:"), "transaction counter is behind"),
        (
            lambda made: made.model_copy(
                update={"target": made.target.model_copy(update={"wal_lsn": "FFFF/0"})}
            ),
            "write-ahead log is behind",
        ),
        (
            lambda made: made.model_copy(update={"target": made.target.model_copy(update={"timeline": 7})}),
            "timeline has changed",
        ),
    ),
)
def test_what_cannot_be_known_is_refused(shop: Subject, store: Store, change: Change, reason: str) -> None:
    """Named in the plan, refused without the explicit consent: typing the name is none."""
    loss = lost(shop, change(create(shop, store, "one", Pulse())))
    assert reason in "; ".join(loss.unknown)
    with pytest.raises(Refused, match="cannot determine what would be lost"):
        loss.refuse(Loss())
    loss.refuse(None)


@ONE
def test_rows_hidden_by_a_policy_cannot_be_counted(server: Server, shop: Subject, store: Store) -> None:
    """A table that may not be counted is unknown, never empty."""
    made = create(shop, store, "one", Pulse())
    server.execute("CREATE ROLE guard_reader LOGIN IN ROLE pg_read_all_data")
    try:
        run(
            shop.database,
            "ALTER TABLE carts ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE carts FORCE ROW LEVEL SECURITY",
        )
        loss = measure(shop.database.as_user("guard_reader"), made, Pulse())
        assert any("public.carts cannot be counted" in reason for reason in loss.unknown)
    finally:
        server.execute("DROP ROLE guard_reader")


@ONE
def test_rows_written_during_the_restore_stop_the_swap(
    shop: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured again when everybody is disconnected: the live database stays, with what was written."""
    create(shop, store, "one", Pulse())
    from cartctl.adapters import effects

    wrote = threading.Event()

    def write(name: str, moment: str) -> None:
        if (name, moment) == ("pg_tools.restore", "after") and not wrote.is_set():
            run(shop.database, "INSERT INTO carts VALUES (7000, 'late')")
            wrote.set()

    monkeypatch.setattr(effects, "probe", write)
    with pytest.raises(Refused, match=r"public\.carts 1000 → 1001 rows"):
        restore(shop, store, "one", Pulse(), disconnect=True, accepted=Loss())
    with shop.database.session("tests") as connection:
        assert connection.execute("SELECT count(*) FROM carts").fetchone() == (1001,)
    assert restore(shop, store, "one", Pulse(), disconnect=True, accepted=None).kept_as


@ONE
def test_the_plan_says_what_the_run_would_do(shop: Subject, store: Store) -> None:
    """Refused without consent, free with it; prepared transactions need max_prepared_transactions and are not tried."""
    create(shop, store, "one", Pulse())
    run(shop.database, "DELETE FROM orders WHERE id = 1")
    plan = plan_restore(shop, store, "one", Pulse(), disconnect=True, consent=Consent.NONE)
    assert plan.changed == {"public.orders": (10, 9)}
    assert "public.orders 10 → 9 rows, 0 new or updated, 1 deleted or updated" in plan.refused[0]
    for consent in (Consent.SHOWN, Consent.ANY):
        assert plan_restore(shop, store, "one", Pulse(), disconnect=True, consent=consent).refused == ()


@ONE
def test_a_frozen_row_of_an_earlier_epoch_is_never_missed(shop: Subject, store: Store) -> None:
    """Freezing does not hide a new row."""
    made = create(shop, store, "one", Pulse())
    run(shop.database, "INSERT INTO carts VALUES (8000, 'new')", "VACUUM FREEZE carts")
    assert lines_of(lost(shop, made)) == {
        "public.carts 1000 → 1001 rows, 1 new or updated, 0 deleted or updated"
    }


def test_a_snapshot_of_a_standby_knows_what_was_in_progress(pg15: Server, tmp_path: Path) -> None:
    """A standby's snapshot names no running transactions; the primary's rows of those are new all the same."""
    database = pg15.create_database()
    run(database, SHOP)
    store = Store(tmp_path / "snapshots")
    try:
        with (
            standby_of(pg15) as standby,
            closing(running(database, "INSERT INTO carts VALUES (1, 'x') ON CONFLICT DO NOTHING")) as slow,
        ):
            slow.execute("INSERT INTO carts VALUES (4000, 'slow')")
            run(database, "INSERT INTO orders (total) VALUES (7)", "CHECKPOINT")
            there = standby.database(database.name)
            _caught_up(database, there)
            made = create(Subject("test", there, lambda _: "same"), store, "one", Pulse())
            slow.commit()
        result = measure(database, made, Pulse())  # a standby shows sequences ahead of their values
        assert set(map(str, result.tables)) == {
            "public.carts 1000 → 1001 rows, 1 new or updated, 0 deleted or updated"
        }
        assert not result.objects
        assert not result.unknown
    finally:
        pg15.drop(database)


def _caught_up(primary: Postgres, standby: Postgres) -> None:
    """Wait until a standby has replayed what its primary has written."""
    with primary.session("tests") as connection:
        row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
    with standby.session("tests") as connection:
        while connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone() != (True,):
            pass


def test_the_loss_is_in_the_json_of_a_plan(tmp_path: Path) -> None:
    """Field names are an interface."""
    from dataclasses import asdict

    assert set(json.loads(json.dumps(asdict(Loss())))) == {"tables", "sequences", "objects", "unknown"}
