"""The contract: green on what the migrations make, red for each kind of broken world."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract import definition as contract
from cartctl.database.contract.contract_check import Terms, judge
from cartctl.database.contract.type_families import fits, narrowing
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import CheckResult, Verdict
from tests.database import models
from tests.database.conftest import Settings
from tests.services import Server

ALL = Terms(own=True, strict=True)
REQUIRED = Terms(own=False, strict=False)
EXACT = Terms(own=True, strict=True, exact=True)


def judged(database: Postgres, terms: Terms, statement: str = "") -> list[CheckResult]:
    """Results after one statement."""
    with database.session("tests") as connection:
        if statement:
            connection.execute(statement.encode())
        return list(judge(read_catalogue(connection), terms))


def names(results: Iterable[CheckResult], verdict: Verdict) -> list[str]:
    """The names of the results with a verdict."""
    return [result.name for result in results if result.verdict is verdict]


def test_the_contract_says_what_the_models_say() -> None:
    """`contract.json` equals what the models describe; CARTCTL_UPDATE_GOLDEN=1 writes it anew."""
    written = Path(contract.__file__).parent.with_name("contract.json")
    if os.environ.get("CARTCTL_UPDATE_GOLDEN") == "1":
        written.write_text(models.as_text(), encoding="utf-8")
    assert written.read_text(encoding="utf-8") == models.as_text()
    assert contract.required_tables() == models.modelled_tables()
    assert contract.required_enums() == models.modelled_enums()


def test_the_migrated_database_passes(server: Server, settings: Settings) -> None:
    """Frozen SQL, models and contract agree on every supported server, with nothing to warn about."""
    from cartctl.database.migrations.apply import deploy
    from cartctl.engine.pulse import Pulse

    database = server.create_platform()
    deploy(database, settings(database), "run", Pulse())
    for terms in (ALL, REQUIRED, EXACT):
        results = judged(database, terms)
        assert {result.verdict for result in results} == {Verdict.PASS}
        assert len(results) == 21
    assert verify(database, settings(database)).verdict is Verdict.PASS
    server.drop(database)


BROKEN = [
    ("DROP TABLE cart_promotions", "table cart_promotions"),
    ("DROP TABLE tax_rates; CREATE VIEW tax_rates AS SELECT 1 AS id", "table tax_rates"),
    ("ALTER TABLE carts DROP COLUMN notes", "column carts.notes"),
    ("ALTER TABLE carts ALTER notes TYPE integer USING 1", "column carts.notes type"),
    ('ALTER TABLE carts ALTER "mergedAt" TYPE timestamptz', "column carts.mergedAt type"),
    ("ALTER TABLE carts ALTER notes SET NOT NULL", "column carts.notes nullability"),
    (
        "ALTER TABLE wishlist_items DROP COLUMN notes; ALTER TABLE wishlist_items ADD notes text GENERATED ALWAYS AS (id) STORED",
        "column wishlist_items.notes generated",
    ),
    ("ALTER TABLE promotions ALTER scope TYPE text", "column promotions.scope type"),
    ("ALTER TYPE \"TaxType\" RENAME VALUE 'PST' TO 'QST'", "enum TaxType"),
    ('ALTER TYPE "SiteType" RENAME TO "KindOfSite"', "enum SiteType"),
    ("DROP INDEX idx_carts_expiration", "index idx_carts_expiration on carts"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_carts_expiration'::regclass",
        "index idx_carts_expiration on carts",
    ),
    (
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'idx_carts_expiration'::regclass",
        "index idx_carts_expiration on carts",
    ),
    (
        "DROP INDEX idx_carts_expiration; CREATE INDEX idx_carts_expiration ON carts (\"expiresAt\") WHERE status = 'ACTIVE'",
        "index idx_carts_expiration on carts",
    ),
    (
        (
            'DROP INDEX idx_carts_expiration; CREATE INDEX idx_carts_expiration ON carts ("createdAt")'
            " WHERE status = 'ACTIVE' AND \"expiresAt\" IS NOT NULL"
        ),
        "index idx_carts_expiration on carts",
    ),
    (
        (
            'DROP INDEX idx_carts_expiration; CREATE INDEX idx_carts_expiration ON carts USING brin ("expiresAt")'
            " WHERE status = 'ACTIVE' AND \"expiresAt\" IS NOT NULL"
        ),
        "index idx_carts_expiration on carts",
    ),
    ('DROP INDEX "carts_orderId_key"', "index carts_orderId_key on carts"),
    (
        'DROP INDEX "carts_orderId_key"; CREATE INDEX "carts_orderId_key" ON carts ("orderId")',
        "index carts_orderId_key on carts",
    ),
    (
        'DROP INDEX "carts_orderId_key"; CREATE UNIQUE INDEX "carts_orderId_key" ON carts ("orderId") NULLS NOT DISTINCT',
        "index carts_orderId_key on carts",
    ),
    ("ALTER TABLE carts ALTER subtotal TYPE numeric(12,1)", "column carts.subtotal type"),
    ("ALTER TABLE tax_rates ALTER rate TYPE double precision", "column tax_rates.rate type"),
    ("ALTER TABLE tax_rates DROP CONSTRAINT tax_rates_pkey", "primary key tax_rates"),
]


@pytest.mark.parametrize(("statement", "name"), BROKEN)
def test_a_broken_world_is_red_for_anybodys_database(migrated: Postgres, statement: str, name: str) -> None:
    """What the Node application needs is checked whoever migrated: each thing missing or different fails by its name."""
    assert name in names(judged(migrated, REQUIRED, statement), Verdict.FAIL)
    assert name in names(judged(migrated, ALL), Verdict.FAIL)


@pytest.mark.parametrize(
    ("statement", "name"),
    (
        ("ALTER TABLE carts DROP COLUMN version", "column carts.version"),
        ("ALTER TABLE carts ALTER notes TYPE varchar(900)", "column carts.notes type"),
        ("ALTER TABLE carts ALTER currency SET DEFAULT 'EUR'", "column carts.currency default"),
        ('ALTER TABLE carts ALTER "updatedAt" SET DEFAULT now()', "column carts.updatedAt default"),
        ('DROP INDEX "carts_siteId_idx"', "index carts_siteId_idx on carts"),
        ('DROP INDEX "carts_companyId_status_idx"', "index carts_companyId_status_idx on carts"),
        (
            'DROP INDEX "promotions_companyId_canonical_code_key"',
            "index promotions_companyId_canonical_code_key on promotions",
        ),
        ("ALTER TABLE carts DROP CONSTRAINT carts_money_check", "check carts_money_check on carts"),
        (
            (
                "ALTER TABLE tax_rates DROP CONSTRAINT tax_rates_rate_check, "
                "ADD CONSTRAINT tax_rates_rate_check CHECK (rate >= 0 AND rate <= 2)"
            ),
            "check tax_rates_rate_check on tax_rates",
        ),
    ),
)
def test_what_is_ours_alone_is_red_only_where_we_migrated(
    migrated: Postgres, statement: str, name: str
) -> None:
    """What only our migrations make fails on our database and does not on another's."""
    assert name not in names(judged(migrated, REQUIRED, statement), Verdict.FAIL)
    assert name in names(judged(migrated, ALL), Verdict.FAIL)


PRODUCT = 'ALTER TABLE cart_items DROP CONSTRAINT "cart_items_productId_fkey"; ALTER TABLE cart_items ADD FOREIGN KEY '
FINDINGS = [
    (
        'ALTER TABLE carts ALTER subtotal TYPE numeric(10,2), ALTER "taxTotal" TYPE numeric(10,2)',
        "range of carts.subtotal, taxTotal",
        "numeric(10,2): 100000000 and more is refused",
    ),
    (
        "ALTER TABLE tax_rates ALTER rate TYPE numeric(6,4)",
        "range of tax_rates.rate",
        "numeric(6,4): 100 and more is refused; values are rounded to 4 decimals",
    ),
    ("ALTER TABLE carts ALTER currency DROP NOT NULL", "column carts.currency nullability", "cannot be read"),
    (
        "ALTER TABLE tax_rates ALTER state SET DEFAULT '', ALTER state SET NOT NULL",
        "column tax_rates.state nullability",
        "a write of NULL is refused",
    ),
    (
        "ALTER TABLE carts ALTER currency SET DEFAULT 'EUR'",
        "column carts.currency default",
        "gets a different value",
    ),
    (
        'ALTER TABLE carts ALTER "itemCount" DROP DEFAULT',
        "column carts.itemCount default",
        "must be written with a value",
    ),
    ("ALTER TABLE carts DROP COLUMN version", "column carts.version", "cart library cannot use carts"),
    ("ALTER TYPE \"CartStatus\" ADD VALUE 'LOST'", "enum CartStatus", "cannot read rows with these labels"),
    (
        "UPDATE pg_enum SET enumsortorder = 99 WHERE enumlabel = 'ACTIVE' AND enumtypid = '\"CartStatus\"'::regtype",
        "enum CartStatus",
        "a different order",
    ),
    (
        'ALTER TABLE cart_promotions DROP CONSTRAINT "cart_promotions_cartId_fkey"',
        "foreign key cart_promotions.cartId",
        "a deleted row there leaves its cart_promotions rows behind",
    ),
    (
        f'{PRODUCT}("productId") REFERENCES products (id) NOT VALID',
        "foreign key cart_items.productId",
        "NOT VALID: existing rows",
    ),
    (
        f'{PRODUCT}("productId") REFERENCES products (id) ON DELETE CASCADE ON UPDATE CASCADE',
        "foreign key cart_items.productId",
        "ON DELETE CASCADE, ON UPDATE CASCADE: deleting a row of products also deletes its cart_items rows",
    ),
    (
        'DROP INDEX "tax_rates_companyId_country_state_idx"',
        "index tax_rates_companyId_country_state_idx on tax_rates",
        "no index on tax_rates(companyId, country, state): tax lookups scan the table",
    ),
    (
        'DROP INDEX "cart_items_productId_idx"',
        "index cart_items_productId_idx on cart_items",
        "no index on cart_items(productId): deletions from products scan the table",
    ),
    (
        'DROP INDEX "carts_companyId_customerId_idx"',
        "index carts_companyId_customerId_idx on carts",
        "cart lookups by companyId, customerId read every row of one companyId",
    ),
    (
        'DROP INDEX "promotions_companyId_canonical_code_key"',
        "index promotions_companyId_canonical_code_key on promotions",
        "the same code in different spellings",
    ),
    (
        "ALTER TABLE carts ADD CONSTRAINT short CHECK (length(notes) < 9)",
        "CHECK short on carts",
        "is refused",
    ),
    (
        "CREATE UNIQUE INDEX once ON carts (notes)",
        "index once on carts",
        "a second row with the same values is refused",
    ),
    ("ALTER TABLE wishlists ADD must int NOT NULL", "column wishlists.must", "NOT NULL without a default"),
]


@pytest.mark.parametrize(("statement", "name", "consequence"), FINDINGS)
def test_another_shape_is_a_finding_with_its_consequence(
    migrated: Postgres, statement: str, name: str, consequence: str
) -> None:
    """What differs from ours and breaks nothing is reported in words and passes; an exact comparison fails on it."""
    results = judged(migrated, REQUIRED, statement)
    assert not names(results, Verdict.FAIL)
    observed = [str(result.observed) for result in results if result.name == name]
    assert names(results, Verdict.WARN).count(name) == 1
    assert consequence in observed[0]
    assert names(judged(migrated, EXACT), Verdict.FAIL)


@pytest.mark.parametrize(
    "statement",
    (
        "ALTER TABLE carts ADD legacy text",
        "CREATE INDEX extra ON carts (notes)",
        "ALTER TABLE carts ALTER notes TYPE varchar(900)",
        "ALTER TABLE carts ALTER subtotal TYPE numeric(65,30)",
        'ALTER TABLE carts ALTER "mergedAt" TYPE timestamp(6)',
        'DROP INDEX "carts_orderId_key"; ALTER TABLE carts ADD CONSTRAINT one_order UNIQUE ("orderId")',
        'ALTER TABLE cart_items RENAME CONSTRAINT "cart_items_cartId_fkey" TO fk_1',
        'ALTER TABLE carts ALTER "createdAt" SET DEFAULT now(), ALTER subtotal SET DEFAULT 0.00',
        'ALTER TABLE carts ALTER "updatedAt" SET DEFAULT now(), ALTER id SET DEFAULT gen_random_uuid()::text',
        'ALTER TABLE carts ALTER "itemCount" TYPE bigint',
        'DROP INDEX "carts_companyId_status_idx"; CREATE INDEX ON carts ("companyId", status, notes DESC)',
        'DROP INDEX "cart_promotions_cartId_promotionId_key"; CREATE UNIQUE INDEX ON cart_promotions ("promotionId", "cartId")',
        (
            'DROP INDEX idx_carts_recovery_candidates; CREATE INDEX other ON carts ("companyId", "abandonedAt", '
            '"recoveryEmailSent") WHERE NOT "recoveryEmailSent" AND status = \'ABANDONED\''
        ),
    ),
)
def test_another_tools_way_passes(migrated: Postgres, statement: str) -> None:
    """Extra columns and indexes, wider types of the family and other names are no reason to fail."""
    assert {result.verdict for result in judged(migrated, REQUIRED, statement)} == {Verdict.PASS}


def test_what_is_extra_is_reported(migrated: Postgres) -> None:
    """Extra columns and indexes are named in the table's own line; one that writers cannot know is a warning."""
    results = judged(
        migrated,
        ALL,
        "ALTER TABLE carts ADD legacy text; CREATE INDEX extra ON carts (notes); ALTER TABLE wishlists ADD must int NOT NULL",
    )
    messages = {result.name: result for result in results}
    assert str(messages["table carts"].observed).endswith("; also legacy, extra")
    assert messages["column wishlists.must"].verdict is Verdict.WARN


def test_another_action_is_reported_and_passes(migrated: Postgres) -> None:
    """A foreign key to the right target with another action warns."""
    results = judged(
        migrated,
        ALL,
        'ALTER TABLE cart_items DROP CONSTRAINT "cart_items_productId_fkey"; ALTER TABLE cart_items ADD CONSTRAINT '
        '"cart_items_productId_fkey" FOREIGN KEY ("productId") REFERENCES products (id) ON DELETE CASCADE',
    )
    warned = [result for result in results if result.verdict is Verdict.WARN]
    assert [result.name for result in warned] == ["foreign key cart_items.productId"]
    assert "ON DELETE CASCADE" in str(warned[0].observed)
    assert not names(results, Verdict.FAIL)


def test_nothing_there_is_every_failure(platform_database: Postgres, settings: Settings) -> None:
    """On a database without the cart every table and enum fails: what cannot be looked up is no pass."""
    assert len(names(judged(platform_database, REQUIRED), Verdict.FAIL)) == 21
    assert verify(platform_database, settings(platform_database)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("expected_text", "expected", "fit"),
    (
        ("text", "text", True),
        ("text", "character varying(10)", True),
        ("text", "citext", False),
        ("text[]", "character varying(191)[]", True),
        ("text[]", "text", False),
        ("numeric(12,2)", "numeric", True),
        ("numeric(12,2)", "numeric(12,3)", True),
        ("numeric(12,2)", "numeric(13,3)", True),
        ("numeric(12,2)", "double precision", False),
        ("numeric(12,2)", "numeric(10,2)", True),
        ("numeric(12,2)", "numeric(10,0)", False),
        ("numeric(9,6)", "numeric(6,4)", True),
        ("integer", "bigint", True),
        ("integer", "text", False),
        ("jsonb", "json", False),
        ("timestamp(3) without time zone", "timestamp without time zone", True),
        ("timestamp(3) without time zone", "timestamp(0) without time zone", True),
        ("timestamp(3) without time zone", "timestamp(3) with time zone", False),
    ),
)
def test_type_families(expected_text: str, expected: str, fit: bool) -> None:
    """A type fits when it is of the family, however wide."""
    assert fits(expected_text, expected) is fit


def test_what_a_narrower_type_does_not_hold() -> None:
    """The consequence says which values are refused or rounded; a wider type has none."""
    assert narrowing("numeric(12,2)", "numeric") is None
    assert narrowing("numeric(12,2)", "numeric(65,30)") is None
    assert (
        narrowing("numeric(9,6)", "numeric(5,4)")
        == "10 and more is refused; values are rounded to 4 decimals"
    )
    assert narrowing("integer", "bigint") is None
    assert narrowing("integer", "smallint") == "numbers above 32767 are refused"
    assert narrowing("text", "character varying(3)") is None


def test_owners_and_rights_are_checked(pg18: Server, migrated: Postgres, settings: Settings) -> None:
    """A table of another owner, a role that may not write and a role that is not there are red."""
    pg18.execute("DROP ROLE IF EXISTS reader")
    pg18.execute("CREATE ROLE reader")
    with migrated.session("tests") as connection:
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    lacking = {check.name: check for check in verify(migrated, settings(migrated, app_role="reader")).bad()}
    assert "carts INSERT" in str(lacking["rights of reader"].observed)
    assert "SELECT" not in str(lacking["rights of reader"].observed)
    missing = verify(migrated, settings(migrated, app_role="nobody_here")).bad()
    assert [check.observed for check in missing] == ["no such role"]
    with migrated.session("tests") as connection:
        connection.execute("ALTER TABLE carts OWNER TO pg_monitor")
    strange = verify(migrated, settings(migrated, owner_role="postgres")).bad()
    assert [(check.name, check.observed) for check in strange] == [("owner", "table carts: pg_monitor")]
    pg18.drop(migrated)
    pg18.execute("DROP ROLE reader")
