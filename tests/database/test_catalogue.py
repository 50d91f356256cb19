"""The catalogue as a value."""

import json

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import Catalogue, difference, fingerprint_hash, read_catalogue


def read(database: Postgres) -> Catalogue:
    """One reading."""
    with database.session("tests") as connection:
        return read_catalogue(connection)


def change(database: Postgres, statement: str) -> list[str]:
    """What a statement changes, as the catalogue sees it."""
    before = read(database)
    with database.session("tests") as connection:
        connection.execute(statement.encode())
    return difference(before, read(database)).lines()


def test_two_readings_are_equal(migrated: Postgres) -> None:
    """Nothing done, nothing different: text, hash and objects, whatever the search path."""
    first = read(migrated)
    with migrated.session("tests", search_path="cartctl, public") as connection:
        second = read_catalogue(connection)
        assert connection.execute("SHOW search_path").fetchone() == ("cartctl, public",)
        assert fingerprint_hash(connection) == first.hash
    assert (first.text, first.hash) == (second.text, second.hash)
    assert difference(first, second).lines() == []


def test_a_catalogue_survives_json(migrated: Postgres) -> None:
    """What a journal keeps is what was read."""
    kept = read(migrated)
    assert Catalogue(json.loads(json.dumps(kept.objects))).hash == kept.hash


@pytest.mark.parametrize(
    ("statement", "seen"),
    (
        ("ALTER TYPE \"TaxType\" ADD VALUE 'DUTY'", '~ enum public."TaxType": labels'),
        ("ALTER TYPE \"TaxType\" RENAME VALUE 'GST' TO 'GTS'", '~ enum public."TaxType": labels'),
        ("ALTER TABLE carts ALTER currency SET DEFAULT 'EUR'", "~ column public.carts.currency: default"),
        ("ALTER TABLE carts ALTER notes TYPE varchar(9)", "~ column public.carts.notes: type"),
        ("ALTER TABLE carts ALTER currency DROP NOT NULL", "~ column public.carts.currency: not_null"),
        ("ALTER TABLE carts OWNER TO pg_monitor", "~ table public.carts: owner"),
        ("GRANT SELECT ON carts TO pg_monitor", "~ table public.carts: grants"),
        ("GRANT SELECT (notes) ON carts TO pg_monitor", "~ column public.carts.notes: grants"),
        ("DROP INDEX idx_carts_expiration", "- index public.idx_carts_expiration"),
        ("CREATE VIEW open_carts AS SELECT id FROM carts", "+ view public.open_carts"),
        ("CREATE SEQUENCE numbers", "+ sequence public.numbers"),
        ("CREATE SCHEMA other", "+ schema other"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "+ function public.f()"),
        ("ALTER TABLE carts ENABLE ROW LEVEL SECURITY", "~ table public.carts: row_security"),
        ("CREATE POLICY mine ON carts USING (true)", "+ policy public.carts.mine"),
        ("ALTER TABLE carts SET (fillfactor = 70)", "~ table public.carts: options"),
        (
            (
                'ALTER TABLE carts DROP CONSTRAINT "carts_siteId_fkey", ADD CONSTRAINT "carts_siteId_fkey" '
                'FOREIGN KEY ("siteId") REFERENCES sites ON UPDATE CASCADE ON DELETE CASCADE NOT VALID'
            ),
            '~ constraint public.carts."carts_siteId_fkey": definition',
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_carts_expiration'::regclass",
            "~ index public.idx_carts_expiration: valid true → false",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON carts FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "+ trigger public.carts.t",
        ),
    ),
)
def test_each_kind_of_change_is_seen(migrated: Postgres, statement: str, seen: str) -> None:
    """A change of structure shows as a line that names the object and what of it differs."""
    assert change(migrated, statement)[0].startswith(seen)


@pytest.mark.parametrize(
    "statement",
    (
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
        "CREATE SCHEMA cartctl_journal CREATE TABLE cartctl_journal.event (id int)",
        "CREATE TEMP TABLE own (id int)",
        "ANALYZE",
        "GRANT SELECT ON carts TO pg_monitor; REVOKE SELECT ON carts FROM pg_monitor",
    ),
)
def test_what_is_no_structure_is_not_seen(migrated: Postgres, statement: str) -> None:
    """Rows, the journal, temporary tables, statistics and rights taken back leave the catalogue as it was."""
    assert change(migrated, statement) == []
