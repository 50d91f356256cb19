"""Rolling back what the application's own files did beside the cart's tables: columns, indexes, constraints, defaults, labels."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres
from cartctl.database.catalogue import fingerprint_hash, read_catalogue
from cartctl.database.drop.application import enum_labels, enum_rebuild
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.differences import reverted_checks
from cartctl.database.drop.plan import plan_drop
from cartctl.database.drop.plan_objects import EnumLabels
from cartctl.database.migrations.ledger import read_ledger
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import NAMES
from tests.database.applications import NOTIFICATIONS, narrow, other_names, write_application
from tests.database.conftest import Settings
from tests.database.test_drop import Deployed
from tests.database.test_migrate import LEDGER, run_sql

NOTICES = (
    NOTIFICATIONS,
    """CREATE TABLE notices (id int PRIMARY KEY, kind "NotificationType" NOT NULL DEFAULT 'ORDER_SHIPPED',
    kinds "NotificationType"[], CONSTRAINT named CHECK (kind <> 'REVIEW_REQUEST' OR id > 0))""",
    "CREATE INDEX notices_shipped ON notices (id) WHERE kind = 'ORDER_SHIPPED'",
    "COMMENT ON TYPE \"NotificationType\" IS 'What happened'",
    "INSERT INTO notices (id, kinds) VALUES (1, ARRAY['REVIEW_REQUEST']::\"NotificationType\"[])",
)
SITES = """INSERT INTO sites (id, "companyId", name, domain)
SELECT 's' || n, 'c', 'S', 'd' || n FROM generate_series(1, 3) AS n"""
COMPANY = "INSERT INTO companies (id, name) VALUES ('c', 'C')"
LABELS = "SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = '\"NotificationType\"'::regtype"

Rolling = Callable[..., Deployed]


@pytest.fixture
def rolling(platform_database: Postgres, settings: Settings, tmp_path: Path) -> Rolling:
    """Migrates the platform's database with an application's files; `more` is added to the first one."""

    def make(*before: str, more: str = "", change: Callable[[str], str] = narrow) -> Deployed:
        run_sql(platform_database, LEDGER, *(before or (NOTIFICATIONS,)))
        directory = write_application(tmp_path / "migrations", change)
        file = directory / NAMES[0] / "migration.sql"
        file.write_text(file.read_text() + more)
        configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
        return Deployed(platform_database, configured, tmp_path / "run")

    return make


def changed_since(done: Deployed) -> list[str]:
    """How the catalogue differs from before, and the rows of the ledger that are left."""
    with done.database.session("tests") as connection:
        rows = [row.name for row in read_ledger(connection).rows]
    return [*done.left(), *rows]


def checked(done: Deployed, result: dict[str, Any]) -> Verdict:
    """The rollback's own proof."""
    with done.database.session("tests") as connection:
        return reverted_checks({**done.results, "database": result}, read_catalogue(connection)).verdict


@pytest.mark.parametrize("change", (narrow, other_names))
def test_everything_is_as_before(rolling: Rolling, change: Callable[[str], str]) -> None:
    """Columns, their index, the label and every row of the ledger go; deploying again works, and so does that rollback."""
    done = rolling(*NOTICES, change=change)
    plan = plan_drop(done.database, done.settings, done.results)
    assert [str(each) for each in plan.columns] == ["column sites.cartTheme", "column sites.checkoutMode"]
    assert [(each.kind, each.name, each.table) for each in plan.parts] == [
        ("index", "sites_checkoutMode_idx", "sites")
    ]
    assert [(each.enum, each.labels, each.columns, each.blocked) for each in plan.labels] == [
        ("NotificationType", ("CART_ABANDONED",), ("notices.kind", "notices.kinds"), ())
    ]
    assert (plan.irreversible, plan.later, plan.dependents) == ((), (), ())
    assert plan.altered == ("notices", "sites")
    result = done.drop()
    assert changed_since(done) == []
    assert checked(done, result) is Verdict.PASS
    assert (result["migrations"], result["ledger_rows"]) == (list(NAMES), 3)
    assert run_sql(done.database, "SELECT obj_description('\"NotificationType\"'::regtype, 'pg_type')") == [
        ("What happened",)
    ]
    assert run_sql(done.database, "SELECT kind::text, kinds::text FROM notices") == [
        ("ORDER_SHIPPED", "{REVIEW_REQUEST}")
    ]
    assert done.result() is not None
    again = Deployed(done.database, done.settings, done.run.directory)
    assert again.results["migrate"]["applied"] == list(NAMES)
    assert verify(done.database, done.settings).bad() == []
    again.drop()
    assert changed_since(again) == []


def test_values_require_consent_and_are_saved(rolling: Rolling) -> None:
    """Each row's key and values are in a file beside the dump, from which they can be restored."""
    done = rolling(NOTIFICATIONS, COMPANY, SITES)
    run_sql(done.database, "UPDATE sites SET \"cartTheme\" = E'da\"rk,\\n' || id WHERE id <> 's3'")
    with pytest.raises(Refused, match=r"column sites\.cartTheme 2, column sites\.checkoutMode 3"):
        done.drop()
    result = done.drop(data_loss=True)
    assert changed_since(done) == []
    saved = Path(result["saved"])
    manifest = json.loads((saved / "manifest.json").read_text())
    (values,) = manifest["values"]
    assert (values["table"], values["columns"], values["rows"]) == ("sites", ["cartTheme", "checkoutMode"], 3)
    with (saved / values["file"]).open(newline="") as file:
        rows = sorted(csv.reader(file))
    assert rows == [
        ["id", "cartTheme", "checkoutMode"],
        ["s1", 'da"rk,\ns1', "STANDARD"],
        ["s2", 'da"rk,\ns2', "STANDARD"],
        ["s3", "", "STANDARD"],
    ]
    assert (saved / values["file"]).stat().st_mode & 0o777 == 0o600


def test_values_written_meanwhile_are_not_lost(rolling: Rolling, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written between the plan and the lock stops a drop without consent."""
    from cartctl.database.drop import drop as dropping

    done = rolling()
    monkeypatch.setattr(dropping, "require", lambda *_, **__: run_sql(done.database, COMPANY, SITES))
    with pytest.raises(StepFailed, match=r"written to column sites\.checkoutMode in the meantime"):
        done.drop()
    assert run_sql(done.database, 'SELECT count("checkoutMode") FROM sites') == [(3,)]


@pytest.mark.parametrize(
    "more",
    (
        "ALTER TABLE \"orders\" ALTER COLUMN status SET DEFAULT 'new';\n",
        'ALTER TABLE "orders" ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status DROP NOT NULL;\n',
        'DROP INDEX orders_pending_idx;\nALTER TABLE orders ADD COLUMN "cartStatus" "CartStatus";\n',
        'ALTER TABLE orders ADD COLUMN "fromCart" TEXT REFERENCES carts (id), ADD CONSTRAINT "short" CHECK (length(id) < 99);\n',
        "ALTER TABLE orders ADD COLUMN number SERIAL UNIQUE;\n",
        "CREATE TABLE cart_notes (id SERIAL PRIMARY KEY, cart TEXT REFERENCES carts (id));\nCREATE INDEX ON cart_notes (cart);\n",
        "CREATE TYPE \"Tone\" AS ENUM ('calm');\nALTER TABLE sites ADD COLUMN tone \"Tone\" DEFAULT 'calm';\n",
        "CREATE VIEW open_carts AS SELECT id FROM carts;\n",
        """CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
        CREATE TRIGGER stamped BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();""",
        """-- a comment; with 'an apostrophe
        /* a block; /* in a block; */ still; */
        CREATE TABLE "Ünïcode Täble" (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), "größe" DECIMAL(8,3), at TIMESTAMPTZ(6));
        COMMENT ON TABLE "Ünïcode Täble" IS 'one; two';
        ALTER TABLE sites ADD COLUMN "Cart Theme" JSONB DEFAULT '{"a": "b;c"}';
        CREATE UNIQUE INDEX "sites_größe_é" ON sites (lower(name)) WHERE "Cart Theme" IS NOT NULL;
        ALTER TYPE "NotificationType" ADD VALUE 'XL''größer' BEFORE 'REVIEW_REQUEST';
        DO $body$ BEGIN ALTER TABLE "orders" ADD COLUMN "números" INTEGER; END $body$;\r\n""",
    ),
)
def test_other_changes_are_undone(rolling: Rolling, more: str) -> None:
    """Defaults, nullability, indexes, constraints, keys to the cart, further tables, types, views and triggers."""
    done = rolling(more=more)
    assert plan_drop(done.database, done.settings, done.results).irreversible == ()
    result = done.drop()
    assert changed_since(done) == []
    assert checked(done, result) is Verdict.PASS


@pytest.mark.parametrize(
    ("more", "named"),
    (
        ("ALTER TABLE orders ALTER COLUMN id TYPE VARCHAR(90);\n", "~ column public.orders.id: type"),
        ("ALTER TABLE orders RENAME COLUMN status TO state;\n", "- column public.orders.status"),
        ("CREATE SCHEMA more;\nCREATE TABLE more.notes (id int);\n", "+ schema more"),
    ),
)
def test_what_cannot_be_undone_is_named(rolling: Rolling, more: str, named: str) -> None:
    """Another type or name of a column, another schema: refused, and nothing is changed."""
    done = rolling(more=more)
    with pytest.raises(Refused, match="cannot be undone") as refused:
        done.drop(data_loss=True)
    assert named in refused.value.message


def test_what_others_did_meanwhile_is_not_undone(
    rolling: Rolling, platform_database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that no file names is not the migration's: the rollback stops instead of reverting it."""

    def add(name: str, when: str) -> None:
        if (name, when) == (f"postgres.migrate.{NAMES[2]}", "before"):
            run_sql(platform_database, "ALTER TABLE orders ADD coupon text")

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", add)
        done = rolling()
    with pytest.raises(Refused, match=r"cannot be undone here: \+ column public\.orders\.coupon"):
        done.drop(data_loss=True)


@pytest.mark.parametrize(
    ("since", "named"),
    (
        ('CREATE INDEX later ON sites ("cartTheme")', "index later uses column sites.cartTheme"),
        (
            'ALTER TABLE sites ALTER "cartTheme" TYPE varchar(9)',
            "column sites.cartTheme is not as the migration created it",
        ),
        ("ALTER TYPE \"NotificationType\" ADD VALUE 'LATER'", "enum NotificationType was changed again"),
    ),
)
def test_later_changes_are_named(rolling: Rolling, since: str, named: str) -> None:
    """What somebody changed since on the same objects stops it; a grant or a comment does not."""
    done = rolling()
    run_sql(
        done.database,
        since,
        "COMMENT ON COLUMN sites.\"cartTheme\" IS 'x'",
        'GRANT SELECT ("cartTheme") ON sites TO pg_monitor',
    )
    with pytest.raises(Refused, match="changed after this deployment") as refused:
        done.drop()
    assert named in refused.value.message


def test_a_view_of_an_added_column_is_named(rolling: Rolling) -> None:
    """It would go with CASCADE only."""
    done = rolling()
    run_sql(done.database, 'CREATE VIEW themes AS SELECT "cartTheme" FROM sites')
    with pytest.raises(Refused, match=r"view themes needs column sites\.cartTheme"):
        done.drop()


USED = (
    (
        "INSERT INTO notices (id, kind) VALUES (2, 'CART_ABANDONED')",
        "rows use CART_ABANDONED in notices.kind",
    ),
    (
        "UPDATE notices SET kinds = ARRAY['CART_ABANDONED']::\"NotificationType\"[]",
        "rows use CART_ABANDONED in notices.kinds",
    ),
    (
        "ALTER TABLE notices ALTER kind SET DEFAULT 'CART_ABANDONED'",
        "the default of notices.kind uses CART_ABANDONED",
    ),
    (
        "CREATE INDEX left_behind ON notices (id) WHERE kind = 'CART_ABANDONED'",
        "index left_behind uses CART_ABANDONED",
    ),
    ("CREATE VIEW kinds AS SELECT kind FROM notices", "view kinds needs the type"),
    ("CREATE FUNCTION f(\"NotificationType\") RETURNS int LANGUAGE sql AS 'SELECT 1'", "needs the type"),
    (
        'CREATE TABLE parts (kind "NotificationType") PARTITION BY LIST (kind)',
        "the partition key of parts needs the type",
    ),
)


@pytest.mark.parametrize(("since", "named"), USED)
def test_labels_in_use_are_refused_unless_they_are_kept(rolling: Rolling, since: str, named: str) -> None:
    """By name and with the option; kept, they stay, the proof knows them, and cartctl deploys again."""
    done = rolling(*NOTICES)
    run_sql(done.database, since)
    with done.database.session("tests") as connection:
        before = fingerprint_hash(connection)
    with pytest.raises(Refused, match="cannot be removed") as refused:
        done.drop()
    assert named in refused.value.message
    assert "--keep-labels" in refused.value.hint
    assert "ADD VALUE" in refused.value.hint
    with done.database.session("tests") as connection:
        assert fingerprint_hash(connection) == before
    result = done.drop(keep_labels=True)
    assert [(each["enum"], *each["labels"]) for each in result["kept_labels"]] == [
        ("NotificationType", "CART_ABANDONED")
    ]
    assert "a plain ADD VALUE in the application's file will fail" in " ".join(result["warnings"])
    assert checked(done, result) is Verdict.PASS
    again = Deployed(done.database, done.settings, done.run.directory)
    assert again.results["migrate"]["applied"] == list(NAMES)
    assert "label NotificationType.CART_ABANDONED exists already" in again.results["migrate"]["warnings"][0]


def test_large_tables_are_not_rewritten(rolling: Rolling, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what fits under a lock it is refused without reading a row."""
    done = rolling(*NOTICES)
    monkeypatch.setattr(enum_labels, "LARGEST", 1000)
    monkeypatch.setattr(enum_labels, "users_of_labels", lambda *_: pytest.fail("read"))
    with pytest.raises(Refused, match="notices: 0 MB would be rewritten under a lock"):
        done.drop()
    assert plan_drop(done.database, done.settings, done.results, Allowed(keep_labels=True)).kept_labels == (
        EnumLabels("NotificationType", ("CART_ABANDONED",)),
    )


def test_a_rewrite_that_takes_too_long_changes_nothing(
    rolling: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget also holds when the estimate was wrong."""
    done = rolling(*NOTICES)
    run_sql(
        done.database,
        "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.5); RETURN $1; END$$",
        "CREATE INDEX slow_one ON notices (slow(id))",
    )
    monkeypatch.setattr(enum_rebuild, "LOCK_BUDGET", enum_labels.LOCK_BUDGET / 20)
    with pytest.raises(StepFailed, match=r"took longer than 0\.1 s") as failed:
        done.drop()
    assert "--keep-labels" in failed.value.hint
    assert run_sql(done.database, "SELECT to_regclass('carts')::text") == [("carts",)]
    assert run_sql(done.database, LABELS) == [(["ORDER_SHIPPED", "REVIEW_REQUEST", "CART_ABANDONED"],)]


def test_a_row_that_uses_a_label_meanwhile_stops_it(
    rolling: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is searched again under the lock."""
    from cartctl.database.drop import drop as dropping

    done = rolling(*NOTICES)
    use = "INSERT INTO notices (id, kind) VALUES (9, 'CART_ABANDONED')"
    monkeypatch.setattr(dropping, "require", lambda *_, **__: run_sql(done.database, use))
    with pytest.raises(StepFailed, match=r"Meanwhile rows use CART_ABANDONED in notices\.kind"):
        done.drop()
    assert run_sql(done.database, "SELECT to_regclass('carts')::text") == [("carts",)]


def test_owner_and_grants_of_a_rebuilt_enum_stay(rolling: Rolling) -> None:
    """Those of the type before, without PUBLIC where it had none."""
    done = rolling(
        *NOTICES,
        'REVOKE ALL ON TYPE "NotificationType" FROM PUBLIC',
        'GRANT USAGE ON TYPE "NotificationType" TO pg_monitor WITH GRANT OPTION',
        'ALTER TYPE "NotificationType" OWNER TO pg_database_owner',
    )
    done.drop()
    assert changed_since(done) == []


def test_an_interrupted_migration_is_undone_too(rolling: Rolling) -> None:
    """Killed before its result was journalled, the run's changes are known from its fingerprint and its own record."""
    done = rolling(*NOTICES, change=other_names)
    done.results.pop("migrate")
    run_sql(done.database, "ALTER TABLE orders ADD later text")
    plan = plan_drop(done.database, done.settings, done.results)
    assert (plan.migrations, len(plan.ledger), len(plan.columns)) == (NAMES, 3, 2)
    result = done.drop()
    assert changed_since(done) == ["+ column public.orders.later"]
    assert checked(done, result) is Verdict.PASS


@pytest.mark.parametrize("moment", ("before", "after"))
def test_a_drop_that_is_stopped_at_its_commit_is_resumed(
    rolling: Rolling, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Killed before the commit nothing is gone; after it, everything: the next attempt ends with the same state."""
    done = rolling(*NOTICES)

    def stop(name: str, when: str) -> None:
        if (name, when) == ("postgres.drop", moment):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", stop)
        with pytest.raises(KeyboardInterrupt):
            done.drop()
    if moment == "before":
        assert done.result() is None
        done.drop()
    assert done.result() is not None
    assert changed_since(done) == []


def test_without_recorded_names_nothing_beside_the_cart_is_undone(rolling: Rolling) -> None:
    """A journal of an earlier version does not say what the files name: such a rollback is refused as it was."""
    done = rolling()
    done.results["fingerprint"].pop("identifiers")
    with pytest.raises(Refused, match=r"cannot be undone here: \+ column public\.sites"):
        done.drop(data_loss=True)
