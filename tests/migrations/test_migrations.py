"""Frozen SQL, models and revisions say the same thing."""

import hashlib

import pytest
from alembic.script import ScriptDirectory

from cartctl.adapters.postgres import Postgres
from cartctl.cart import enums
from cartctl.cart.store.tables import METADATA, cart_tables
from cartctl.cart.store.tables.base import ENUMS
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.database.catalogue import Catalogue, difference, read_catalogue
from cartctl.database.migrations.apply import deploy
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.migrations.revisions import move
from tests.services import Server, engine_of

FROZEN = {
    "20260101140542_add_ecommerce_modules/migration.sql": "982df4c43f6a482ed510c804cd177e95d83837ed81c2cdc476c96764e0a8e933",
    "20260101140542_add_ecommerce_modules/strict.sql": "fa172f2816c860bac746e996acd602c38a8b5ccf1f5ebbe0c8317784e076cd4a",
    "20260101140542_add_ecommerce_modules/down.sql": "bc4eb03020e5fb7705875d4aa3ce1fadc117cb265306022b3c6f9c33031cc166",
    "20260101140600_add_cart_and_session_partial_indexes/migration.sql": "b5c8b534d7c7e5a4932e682a151da019bbf2888adcb32feb3225f36ad2b7b487",
    "20260101140600_add_cart_and_session_partial_indexes/down.sql": "4f315d5448815272dfb6ebe3d40c9b0b2f52089bf7a05038b43d12e873d73366",
    "20260101163110_add_cart_promotion_tax_shipping_system/migration.sql": "f6991c61e5a8ce988ea4756cdc60213369af0ec905aa131ef279fe4ca9e05a6e",
    "20260101163110_add_cart_promotion_tax_shipping_system/strict.sql": "b46e91ec94fd55ef5bb63112e08c39bce1169008f98f04c292ea3746b6adcc63",
    "20260101163110_add_cart_promotion_tax_shipping_system/down.sql": "a02c75fba51c4d0584afbcef1afc4cadb59740ab373131bffaf67442b3112f8a",
}


def structure(database: Postgres) -> Catalogue:
    """The catalogue without Alembic's own schema, which a downgrade leaves."""
    with database.session("tests") as connection:
        read = read_catalogue(connection)
    return Catalogue({key: facts for key, facts in read.objects.items() if " cartctl" not in key})


def alembic(database: Postgres, *moves: tuple[str, str]) -> None:
    """Run revisions up and down, one transaction each."""
    with database.session("tests") as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS cartctl")
    with engine_of(database) as engine:
        for verb, revision in moves:
            with engine.begin() as connection:
                move(connection, verb, revision)  # type: ignore[arg-type]


def test_up_down_up_leaves_the_same_catalogue(server: Server) -> None:
    """Every revision taken back and made again gives the catalogue it gave first, on every supported server."""
    database = server.create_platform()
    empty = structure(database)
    alembic(database, ("upgrade", "head"))
    first = structure(database)
    alembic(database, ("downgrade", "base"))
    assert structure(database).text == empty.text
    alembic(database, *[("upgrade", each.revision) for each in MIGRATIONS])
    assert structure(database).text == first.text
    assert structure(database).hash == first.hash
    server.drop(database)


def test_a_deployment_records_the_version_as_alembic_does(server: Server) -> None:
    """Alembic's table and its row, after each migration; Alembic goes on from there, up and down."""
    deployed, upgraded = server.create_platform(), server.create_platform()
    settings = Database(dsn=Secret(literal=deployed.dsn), strict_constraints=True)
    deploy(deployed, settings, "run", Pulse())
    alembic(upgraded, ("upgrade", "head"))
    tables = []
    for database in (deployed, upgraded):
        with database.session("tests") as connection:
            objects = read_catalogue(connection).objects
            row = connection.execute("SELECT array_agg(version_num) FROM cartctl.alembic_version").fetchone()
        tables.append(({key: facts for key, facts in objects.items() if "alembic_version" in key}, row))
    assert tables[0] == tables[1]
    assert structure(deployed).text == structure(upgraded).text
    alembic(deployed, ("downgrade", MIGRATIONS[0].revision))
    assert deploy(deployed, settings, "run-2", Pulse()).applied == NAMES[1:]
    alembic(deployed, ("downgrade", "base"), ("upgrade", "head"))
    assert structure(deployed).text == structure(upgraded).text
    for database in (deployed, upgraded):
        server.drop(database)


def test_models_equal_the_migrated_database(server: Server) -> None:
    """`metadata.create_all` makes exactly what the frozen SQL makes: labels, predicates, defaults, checks, actions."""
    migrated, made = server.create_platform(), server.create_platform()
    alembic(migrated, ("upgrade", "head"))
    with engine_of(made) as engine:
        METADATA.create_all(engine, tables=cart_tables())
    assert difference(structure(migrated), structure(made)).lines() == []
    server.drop(migrated)
    server.drop(made)


def test_the_three_servers_give_one_text(pg15: Server, pg16: Server, pg18: Server) -> None:
    """A migrated database has the same text on PostgreSQL 15, 16 and 18."""
    texts = set()
    for server in (pg15, pg16, pg18):
        database = server.create_platform()
        alembic(database, ("upgrade", "head"))
        texts.add(structure(database).text)
        server.drop(database)
    assert len(texts) == 1


def test_counts_are_the_plans() -> None:
    """14 tables, 7 enums, 3 migrations with the document's names."""
    assert len(cart_tables()) == 14
    assert len(ENUMS) == 7
    assert [each.name for each in MIGRATIONS] == list(NAMES)
    assert {each.__name__ for each in ENUMS} == {
        name for name, result in vars(enums).items() if isinstance(result, type) and name != "StrEnum"
    }


def test_revision_ids_are_the_fourteen_digits() -> None:
    """Alembic knows the three revisions by the digits their names begin with, in one line."""
    known = [each.revision for each in ScriptDirectory("cartctl/migrations").walk_revisions()]
    assert known == [name[:14] for name in reversed(NAMES)]


@pytest.mark.parametrize("path", FROZEN)
def test_the_sql_is_frozen(path: str) -> None:
    """A released migration's files never change: its checksum is in ledgers."""
    folder, _, file = path.partition("/")
    migration = next(each for each in MIGRATIONS if each.name == folder)
    content = {"migration.sql": migration.up, "strict.sql": migration.strict, "down.sql": migration.down}
    assert hashlib.sha256(content[file]).hexdigest() == FROZEN[path]


def test_statements_are_the_whole_script(server: Server) -> None:
    """A script in statements makes what the file makes as one."""
    whole, split = server.create_platform(), server.create_platform()
    for database in (whole, split):
        for each in MIGRATIONS:
            with database.session("tests") as connection:
                if database is whole:
                    connection.execute(each.script(strict=True))
                else:
                    for statement in each.statements(strict=True):
                        connection.execute(statement.sql.encode())
    assert structure(whole).text == structure(split).text
    server.drop(whole)
    server.drop(split)


def test_every_foreign_key_has_a_leading_index() -> None:
    """A DELETE on a referenced table finds its referrers by an index."""
    for table in cart_tables():
        leading = {next(iter(index.columns)).name for index in table.indexes}
        assert {column.name for column in table.columns if column.foreign_keys} <= leading, table.name
