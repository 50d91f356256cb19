"""The plan of a drop, part by part: what is the run's, what stays, what stops it. Mostly without a server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import Catalogue, Difference
from cartctl.database.contract.definition import required_enums, required_tables
from cartctl.database.drop import plan as planning
from cartctl.database.drop.application.changes import application_changes
from cartctl.database.drop.consent import NOTHING_ALLOWED, Allowed, refuse_nothing, require
from cartctl.database.drop.dependents import Dependent, find_dependents, find_mentions
from cartctl.database.drop.drop import earlier_drop
from cartctl.database.drop.plan import drop_order, plan_drop, plan_with
from cartctl.database.drop.plan_objects import DropColumn, DropPart, DropPlan, DropTable
from cartctl.database.drop.records import made_migrations
from cartctl.database.migrations.ledger import LedgerRow
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.database.test_migrate import run_sql

NOTHING = DropPlan("shop", (), (), (), (), (), False, (), (), (), ())
CARTS = DropTable("carts", 3, 100)
ROW = LedgerRow("1", "x", "y", None, None, 1)


def added(*keys: str, **facts: Any) -> Difference:
    """A difference of added objects, each with these facts."""
    return Difference(dict.fromkeys(keys, facts), {}, {})


def now(*keys: str) -> Catalogue:
    """A catalogue of these objects."""
    return Catalogue({key: {} for key in keys})


@pytest.mark.parametrize(
    "something",
    (
        {"tables": (CARTS,)},
        {"enums": ("TaxType",)},
        {"parts": (DropPart("index", "x", "carts"),)},
        {"columns": (DropColumn("sites", "x"),)},
        {"home": True},
        {"ledger": (ROW,)},
    ),
)
def test_a_plan_with_anything_to_drop_is_not_empty(something: dict[str, Any], tmp_path: Path) -> None:
    """Each alone; then nothing has been dropped yet."""
    assert NOTHING.empty
    assert replace(NOTHING, kept_enums=("TaxType",), migrations=("x",), older=("carts",)).empty
    plan = replace(NOTHING, **something)
    assert not plan.empty
    assert earlier_drop(plan, tmp_path) is None
    done = earlier_drop(replace(NOTHING, kept_enums=("TaxType",), migrations=("x",)), tmp_path)
    assert done
    assert (done.tables, done.enums, done.kept_enums, done.migrations) == ((), (), ("TaxType",), ("x",))
    assert (done.rows, done.saved, done.ledger_rows) == (0, None, 0)


def test_rows_are_those_of_all_tables() -> None:
    """Added up."""
    assert NOTHING.rows == 0
    assert replace(NOTHING, tables=(CARTS, DropTable("promotions", 4, 1))).rows == 7


def test_what_stops_a_drop_is_named() -> None:
    """What cannot be undone before what depends on it, rows last; consent is for rows alone."""
    rows = replace(NOTHING, tables=(CARTS, DropTable("promotions", 0, 1), DropTable("sites", 2, 1)))
    with pytest.raises(Refused, match=r"The tables hold rows: carts 3, sites 2\."):
        require(rows, allow_data_loss=False)
    require(rows, allow_data_loss=True)
    require(NOTHING, allow_data_loss=False)
    dependents = replace(rows, dependents=("view a needs table carts", "view b needs table carts"))
    with pytest.raises(
        Refused, match="Other objects depend on what would be dropped: view a needs table carts; view b"
    ):
        require(dependents, allow_data_loss=True)
    with pytest.raises(Refused, match="also made changes that cannot be undone here"):
        require(replace(dependents, irreversible=("- index x",)), allow_data_loss=True)


@pytest.mark.parametrize(
    "something",
    ({"tables": (CARTS,)}, {"enums": ("TaxType",)}, {"parts": (DropPart("index", "x", "carts"),)}),
)
def test_a_drop_of_nothing_is_refused_where_tables_are_older(something: dict[str, Any]) -> None:
    """The operator expects one; not where there is something to drop, or no table at all."""
    older = replace(NOTHING, older=("carts", "promotions"), home=True)
    with pytest.raises(Refused, match=r"existed before this run \(carts, promotions\)"):
        refuse_nothing(older)
    refuse_nothing(NOTHING)
    refuse_nothing(replace(older, **something))


def catalogue(*references: tuple[str, str]) -> Catalogue:
    """Tables that refer to others by a foreign key."""
    return Catalogue(
        {
            f"constraint public.{table}.{table}_{to}_{n}": {"references": f'public."{to}"'}
            for n, (table, to) in enumerate(references)
        }
    )


def test_referring_tables_go_first() -> None:
    """Also along a chain; a key to itself or to a table that stays does not matter."""
    references = (("a", "b"), ("b", "c"), ("c", "c"), ("a", "orders"), ("orders", "a"))
    assert drop_order(catalogue(*references), ["c", "b", "a"]) == ["a", "b", "c"]
    assert drop_order(catalogue(), ["b", "a"]) == ["a", "b"]
    with pytest.raises(Refused, match=r"circular foreign keys: .* → .*") as circle:
        drop_order(catalogue(("a", "b"), ("b", "a")), ["a", "b"])
    assert "Drop one of those foreign keys" in circle.value.hint


def test_only_what_was_added_and_is_still_there_was_made() -> None:
    """In the order of the contract; names with capitals are quoted in a catalogue."""
    own = added(
        "table public.carts", "table public.promotions", 'enum public."TaxType"', "table other.cart_items"
    )
    here = now("table public.carts", 'enum public."TaxType"', "table public.cart_items")
    tables = [table.name for table in required_tables()]
    assert planning._made(own, here, "table", tables) == ["carts"]
    assert planning._made(own, here, "enum", required_enums()) == ["TaxType"]
    assert planning._older(own, here) == ["cart_items"]


def test_a_migration_is_the_runs_when_it_made_any_of_its_objects() -> None:
    """Whatever its kind."""
    for migration in MIGRATIONS:
        made = migration.statements(strict=True)[-1].makes
        assert made_migrations(added(f'index public."{made}"'), frozenset()) == (migration.name,)
    assert made_migrations(added("table public.orders"), frozenset()) == ()
    everything = [s.makes for each in MIGRATIONS for s in each.statements(strict=True)]
    assert made_migrations(added(*(f"x public.{name}" for name in everything)), frozenset()) == NAMES


def test_parts_are_what_was_added_to_tables_that_stay() -> None:
    """An index behind a constraint goes with it; others' tables and tables that go have no parts."""
    own = Difference(
        {
            'index public."carts_x_idx"': {"table": "public.carts"},
            "index public.carts_y_key": {"table": "public.carts"},
            "constraint public.carts.carts_y_key": {"table": "public.carts"},
            "index public.gone_idx": {"table": "public.carts"},
            "index public.promotions_idx": {"table": "public.promotions"},
            "index public.orders_idx": {"table": "public.orders"},
            "column public.carts.x": {"table": "public.carts"},
            "table public.promotions": {},
        },
        {},
        {},
    )
    here = now(*(key for key in own.added if "gone" not in key))
    assert list(planning._parts(own, here, ["promotions"])) == [
        DropPart("constraint", "carts_y_key", "carts"),
        DropPart("index", "carts_x_idx", "carts"),
    ]


def test_what_the_migration_did_to_others_cannot_be_undone() -> None:
    """Additions only as long as they are there; removals and changes always; the cart's own objects never."""
    own = Difference(
        {
            "column public.orders.coupon": {},
            "column public.orders.gone": {},
            "column public.carts.x": {},
            "index public.any_idx": {"table": "public.carts"},
        },
        {"index public.orders_idx": {}},
        {"column public.orders.status": ({"default": "1"}, {"default": "2"})},
    )
    lines = application_changes(
        own, now("column public.orders.coupon", "column public.carts.x"), frozenset()
    ).irreversible
    assert [line.partition(":")[0] for line in lines] == [
        "+ column public.orders.coupon",
        "- index public.orders_idx",
        "~ column public.orders.status",
    ]


def results(*keys: str) -> dict[str, Any]:
    """The results of a run that added these objects."""
    return {
        "fingerprint": {"objects": {}},
        "migrate": {"difference": {"added": {key: {} for key in keys}, "removed": {}, "changed": {}}},
    }


def test_a_plan_keeps_no_enum_unless_it_may(empty_database: Postgres, settings: Settings) -> None:
    """Consent is given, never assumed."""
    run_sql(empty_database, "CREATE TYPE \"TaxType\" AS ENUM ('a')", 'CREATE TABLE orders (tax "TaxType")')
    run, given = results('enum public."TaxType"'), settings(empty_database)
    plan = plan_drop(empty_database, given, run)
    assert (plan.enums, plan.kept_enums, len(plan.dependents)) == (("TaxType",), (), 1)
    kept = plan_drop(empty_database, given, run, Allowed(keep_dependents=True))
    assert (kept.enums, kept.kept_enums, kept.dependents) == ((), ("TaxType",), ())


def test_what_depends_and_what_mentions_is_searched_for_tables_and_for_enums(
    empty_database: Postgres,
) -> None:
    """Where the run made only tables, and where it made only enums; exact rows; nothing is searched for nothing."""
    body = "CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM '{}'; END$$"
    run_sql(
        empty_database,
        "CREATE TABLE carts (id int)",
        "INSERT INTO carts VALUES (1), (2)",
        "CREATE TYPE \"TaxType\" AS ENUM ('a')",
        'CREATE TABLE orders (tax "TaxType")',
        "CREATE VIEW report AS SELECT * FROM carts",
        body.format("f", "carts"),
        body.format("g", "TaxType"),
        body.format("h", "carts_2"),
    )
    with empty_database.session("tests") as connection:
        tables = plan_with(connection, results("table public.carts"), NOTHING_ALLOWED)
        assert [(table.name, table.rows, table.bytes > 0) for table in tables.tables] == [("carts", 2, True)]
        assert (tables.enums, tables.home, tables.ledger) == ((), False, ())
        assert tables.dependents == ("view report needs table carts",)
        assert tables.warnings == ("function public.f mentions a table or enum that will be dropped",)
        assert tables.database_name == empty_database.name
        enums = plan_with(connection, results('enum public."TaxType"'), NOTHING_ALLOWED)
        assert (enums.tables, enums.enums, enums.kept_enums) == ((), ("TaxType",), ())
        assert enums.dependents == ("column tax of table orders needs enum TaxType",)
        assert enums.warnings == ("function public.g mentions a table or enum that will be dropped",)
        assert enums.older == ("carts",)
        both = ("table public.carts", 'enum public."TaxType"')
        kept = plan_with(connection, results(*both), Allowed(keep_dependents=True))
        assert (kept.enums, kept.kept_enums) == ((), ("TaxType",))
        assert kept.dependents == ("view report needs table carts",)
        nothing = plan_with(connection, results("schema cartctl"), NOTHING_ALLOWED)
        assert (nothing.empty, nothing.warnings, nothing.dependents) == (True, (), ())
        connection.execute("CREATE SCHEMA cartctl")
        assert plan_with(connection, results("schema cartctl"), NOTHING_ALLOWED).home
        assert not plan_with(connection, results("table public.carts"), NOTHING_ALLOWED).home
        assert find_mentions(connection, ["carts", "TaxType"]) == ["function public.f", "function public.g"]
        assert find_dependents(connection, ["carts"], []) == [Dependent("table", "carts", "view report")]


def test_a_row_of_the_ledger_is_the_runs_by_the_time_of_its_own_record(empty_database: Postgres) -> None:
    """Where another tool had begun a migration; where the run made all of it, every row of its name."""
    from tests.database.test_migrate import LEDGER, ledger_row

    first, second = MIGRATIONS[:2]
    at = "'2026-12-01 02:00:00+00'"
    run_sql(
        empty_database,
        LEDGER,
        ledger_row(first.name, finished=at),
        ledger_row(first.name, finished="now()"),
        ledger_row(second.name, finished=at),
        "CREATE SCHEMA cartctl",
        "CREATE TABLE cartctl.applied (revision text, at timestamptz, run text)",
        f"INSERT INTO cartctl.applied VALUES ('{first.revision}', {at}), ('{second.revision}', {at})",
    )
    part = [f"index public.{each.statements(strict=True)[-1].makes}" for each in (first,)]
    whole = [f"table public.{statement.makes}" for statement in first.statements(strict=False)]
    with empty_database.session("tests") as connection:
        partly = plan_with(connection, results(*part), NOTHING_ALLOWED)
        assert [row.name for row in partly.ledger] == [first.name]
        wholly = plan_with(connection, results(*whole), NOTHING_ALLOWED)
        assert [row.name for row in wholly.ledger] == [first.name] * 2
        connection.execute("DROP TABLE cartctl.applied")
        assert plan_with(connection, results(*part), NOTHING_ALLOWED).ledger == ()
