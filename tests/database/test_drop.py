"""Taking the cart's tables back: from the run's own difference, in one transaction, rows saved, nobody else harmed."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import difference, read_catalogue
from cartctl.database.drop import drop as dropping
from cartctl.database.drop.consent import Allowed
from cartctl.database.drop.differences import reverted_checks
from cartctl.database.drop.plan import plan_drop
from cartctl.database.migrations.indexes import build_indexes
from cartctl.database.migrations.pending import pending_identifiers
from cartctl.engine.model import Run, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from cartctl.steps.database.drop import Drop
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate
from tests.database.conftest import Settings
from tests.database.test_migrate import LEDGER, Freeing, holding, ledger_row, run_sql
from tests.services import Server, engine_of

CART = """INSERT INTO companies (id, name) VALUES ('c', 'C') ON CONFLICT DO NOTHING;
INSERT INTO carts (id, "companyId", "updatedAt") SELECT 'cart' || n, 'c', now() FROM generate_series(1, 3) AS n;
INSERT INTO cross_site_sessions (id, "companyId", "sessionToken", "expiresAt", "updatedAt")
VALUES ('s', 'c', 't', now(), now())"""


class Deployed:
    """A database that a run has migrated, and everything the run journalled."""

    def __init__(self, database: Postgres, settings: Database, directory: Path) -> None:
        self.database, self.settings = database, settings
        self.run = Run("run-1", "test", datetime.now(UTC), directory, "running", {})
        fingerprint = Fingerprint(database, identifiers=partial(pending_identifiers, settings=settings))
        self.results: dict[str, Any] = {"fingerprint": fingerprint.perform(self.run, Pulse())}
        made = Migrate(database, settings).perform(self.with_results(), Pulse())
        self.results = json.loads(json.dumps({**self.results, "migrate": made}))

    def with_results(self) -> Run:
        """The run as a later step sees it."""
        return replace(self.run, results=self.results)

    def drop(self, pulse: Pulse | None = None, **allowed: bool) -> dict[str, Any]:
        """Take it back."""
        step = Drop(self.database, self.settings, Allowed(**allowed))
        return step.perform(self.with_results(), pulse or Pulse())

    def result(self) -> dict[str, Any] | None:
        """What a resumed rollback finds."""
        return Drop(self.database, self.settings, Allowed()).find(self.with_results())

    def left(self) -> list[str]:
        """How the catalogue differs from the one before the deployment."""
        with self.database.session("tests") as connection:
            now = read_catalogue(connection)
        return difference(type(now)(self.results["fingerprint"]["objects"]), now).lines()


Deploying = Callable[..., Deployed]


@pytest.fixture
def deployed(settings: Settings, tmp_path: Path) -> Deploying:
    """Migrates a database as a run does."""

    def make(database: Postgres, **given: object) -> Deployed:
        return Deployed(database, settings(database, **given), tmp_path / "run")

    return make


def test_the_catalogue_is_as_before(server: Server, deployed: Deploying) -> None:
    """Deployed and taken back, nothing differs on any server; deploying again works."""
    database = server.create_platform()
    first = deployed(database)
    assert first.result() is None
    result = first.drop()
    assert (len(result["tables"]), len(result["enums"]), result["rows"]) == (14, 7, 0)
    assert result["saved"] is None
    assert first.left() == []
    assert first.result() is not None
    with database.session("tests") as connection:
        assert reverted_checks(first.results, read_catalogue(connection)).verdict is Verdict.PASS
    assert len(deployed(database).results["migrate"]["applied"]) == 3
    server.drop(database)


def test_optional_indexes_go_with_their_table(platform_database: Postgres, deployed: Deploying) -> None:
    """`migrate index --scale` built them after the deployment; they are no change of another tool."""
    done = deployed(platform_database)
    run_sql(
        platform_database,
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
        """INSERT INTO carts (id, "companyId", "updatedAt") VALUES ('1', 'c', now())""",
    )
    assert build_indexes(platform_database, done.settings, Pulse(), scale=True).indexes
    assert done.drop(data_loss=True)["rows"] == 1
    assert done.left() == []


def test_tables_go_from_the_referring_end(platform_database: Postgres, deployed: Deploying) -> None:
    """The order follows the live foreign keys, also one that somebody has added between our tables."""
    done = deployed(platform_database)
    run_sql(
        platform_database,
        "ALTER TABLE tax_rates ADD cart text REFERENCES carts (id)",
        "ALTER TABLE carts ADD zone text REFERENCES shipping_zones (id)",
    )
    order = [table.name for table in plan_drop(platform_database, done.settings, done.results).tables]
    assert len(order) == 14
    for referring, referred in (
        ("cart_items", "carts"),
        ("cart_promotions", "promotions"),
        ("tax_rates", "carts"),
        ("carts", "shipping_zones"),
        ("shipping_rules", "shipping_zones"),
    ):
        assert order.index(referring) < order.index(referred)
    run_sql(platform_database, "ALTER TABLE tax_rates DROP cart", "ALTER TABLE carts DROP zone")
    done.drop()
    assert done.left() == []


def test_rows_want_consent_and_are_saved(server: Server, deployed: Deploying, tmp_path: Path) -> None:
    """Tables with rows are refused with the counts; with consent the rows are dumped, verified and restorable."""
    database = server.create_platform()
    done = deployed(database)
    run_sql(database, CART)
    with pytest.raises(Refused, match="cross_site_sessions 1, carts 3"):
        done.drop()
    result = done.drop(data_loss=True)
    assert result["rows"] == 4
    saved = Path(result["saved"])
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["rows"]["carts"], manifest["rows"]["promotions"]) == (3, 0)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    assert done.left() == []
    assert done.result() == {**done.result(), "rows": 4, "saved": str(saved)}  # type: ignore[dict-item]
    again = deployed(database)
    _restore(server, database, saved)
    assert run_sql(database, "SELECT count(*), min(id) FROM carts") == [(3, "cart1")]
    assert again.results["migrate"]["applied"] == list(NAMES)
    server.drop(database)


def _restore(server: Server, database: Postgres, saved: Path) -> None:
    import subprocess

    subprocess.run(
        [
            server.bin / "pg_restore",
            "--data-only",
            "--exit-on-error",
            f"--dbname={database.dsn}",
            saved / "dump",
        ],
        check=True,
    )


def test_a_row_written_meanwhile_is_not_lost(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written between the plan and the lock is seen under the lock, and stops a drop without consent."""
    done = deployed(platform_database)

    def write(*_: object, **__: object) -> None:
        run_sql(platform_database, CART)

    monkeypatch.setattr(dropping, "require", write)
    with pytest.raises(StepFailed, match="in the meantime"):
        done.drop()
    assert run_sql(platform_database, "SELECT count(*) FROM carts") == [(3,)]


@pytest.mark.parametrize(
    ("statement", "named"),
    (
        ("CREATE VIEW report AS SELECT id FROM carts", "view report needs table carts"),
        (
            "CREATE MATERIALIZED VIEW report AS SELECT count(*) FROM carts",
            "materialized view report needs table carts",
        ),
        (
            "CREATE TABLE notes (id int, cart text CONSTRAINT to_cart REFERENCES carts (id))",
            "constraint to_cart on table notes needs table carts",
        ),
        (
            "CREATE FUNCTION open_carts() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM carts; END",
            "function open_carts() needs table carts",
        ),
        (
            "CREATE FUNCTION f(carts) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function f(carts) needs table carts",
        ),
        ('ALTER TABLE orders ADD tax "TaxType"', "column tax of table orders needs enum TaxType"),
        ('ALTER TABLE orders ADD taxes "TaxType"[]', "column taxes of table orders needs enum TaxType"),
    ),
)
def test_dependents_stop_it_by_name(
    platform_database: Postgres, deployed: Deploying, statement: str, named: str
) -> None:
    """Whatever CASCADE would take along is named, and nothing is dropped."""
    done = deployed(platform_database)
    run_sql(platform_database, statement)
    with pytest.raises(Refused, match="Other objects depend") as refused:
        done.drop()
    assert named in refused.value.message
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [("carts",)]


def test_an_enum_in_use_can_be_kept(platform_database: Postgres, deployed: Deploying) -> None:
    """With consent an enum that others use stays, the catalogue check knows it, and the next deployment adopts it."""
    done = deployed(platform_database)
    run_sql(platform_database, 'ALTER TABLE orders ADD tax "TaxType"')
    result = done.drop(keep_dependents=True)
    assert result["kept_enums"] == ["TaxType"]
    with platform_database.session("tests") as connection:
        checks = reverted_checks({**done.results, "database": result}, read_catalogue(connection))
    assert checks.verdict is Verdict.PASS
    assert "column public.orders.tax" in str(checks.checks[1].observed)
    assert deployed(platform_database).results["migrate"]["applied"] == list(NAMES)


def test_functions_that_mention_a_table_are_warnings(
    platform_database: Postgres, deployed: Deploying
) -> None:
    """A PL/pgSQL body is searched for our names as words; it warns and does not stop."""
    done = deployed(platform_database)
    body = "CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM 1 FROM {}; END$$"
    run_sql(platform_database, body.format("uses", "carts"), body.format("does_not", "shopping_carts"))
    plan = plan_drop(platform_database, done.settings, done.results)
    assert plan.warnings == ("function public.uses mentions a table or enum that will be dropped",)
    done.drop()


@pytest.mark.parametrize(
    ("statement", "named"),
    (
        ("ALTER TABLE orders ADD coupon text", "+ column public.orders.coupon"),
        ("ALTER TABLE orders ALTER status DROP DEFAULT", "~ column public.orders.status: default"),
        ("DROP INDEX orders_pending_idx", "- index public.orders_pending_idx"),
    ),
)
def test_what_cannot_be_undone_stops_it(
    platform_database: Postgres, deployed: Deploying, statement: str, named: str
) -> None:
    """A migration that also changed others' objects is named with the ways that work; later changes do not count."""
    done = deployed(platform_database)
    run_sql(platform_database, "ALTER TABLE orders ADD later text")
    before = Fingerprint(platform_database).perform(done.run, Pulse())["objects"]
    run_sql(platform_database, statement)
    after = Fingerprint(platform_database).perform(done.run, Pulse())["objects"]
    kept = done.results["migrate"]["difference"]
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            if key not in before:
                kept["added"][key] = after[key]
            elif key not in after:
                kept["removed"][key] = before[key]
            else:
                kept["changed"][key] = [before[key], after[key]]
    with pytest.raises(Refused, match="cannot be undone") as refused:
        done.drop()
    assert named in refused.value.message
    assert "later" not in refused.value.message
    assert "without --database" in refused.value.hint


def test_other_teams_rows_of_the_ledger_stay(
    platform_database: Postgres, deployed: Deploying, prisma_dir: str
) -> None:
    """Exactly our three records go from Prisma's ledger; one that only sounds like ours stays."""
    theme = "20251201000000_add_cart_theme"
    run_sql(platform_database, LEDGER, ledger_row(theme))
    done = deployed(platform_database, migrations={"prisma_dir": prisma_dir})
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(4,)]
    result = done.drop()
    assert result["ledger_rows"] == 3
    assert run_sql(platform_database, "SELECT migration_name FROM _prisma_migrations") == [(theme,)]
    assert done.left() == []


def test_a_row_that_prisma_wrote_before_us_stays(
    platform_database: Postgres, deployed: Deploying, prisma_dir: str
) -> None:
    """Where Prisma had applied the first migration and we made an index that it lacked, its row is not ours to remove."""
    first = MIGRATIONS[0]
    run_sql(
        platform_database,
        LEDGER,
        first.up.decode(),
        'DROP INDEX "carts_visitorId_idx"',
        ledger_row(first.name),
    )
    before = run_sql(platform_database, "SELECT * FROM _prisma_migrations")
    done = deployed(platform_database, migrations={"prisma_dir": prisma_dir, "source": "cartctl"})
    assert done.drop()["ledger_rows"] == 2
    assert run_sql(platform_database, "SELECT * FROM _prisma_migrations") == before
    assert done.left() == []


def test_readers_in_the_way_are_named(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drop gives its place in the queue up soon, tries again a few times, and names who was in the way."""
    monkeypatch.setattr(dropping, "PAUSE", 0.01)
    monkeypatch.setattr(dropping, "LOCK_TIMEOUT", dropping.LOCK_TIMEOUT / 20)
    done = deployed(platform_database)
    with (
        holding(platform_database, "SELECT * FROM products"),
        pytest.raises(StepFailed, match="AccessShareLock on products") as failed,
    ):
        done.drop()
    assert "cartctl somebody" in failed.value.message
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [("carts",)]


def test_a_reader_that_leaves_is_waited_for(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock timeout is tried again, rows saved anew."""
    monkeypatch.setattr(dropping, "LOCK_TIMEOUT", dropping.LOCK_TIMEOUT / 20)
    done = deployed(platform_database)
    run_sql(platform_database, CART)
    with platform_database.session("somebody", autocommit=False) as reader:
        reader.execute("SELECT * FROM products")
        pulse = Freeing(reader)
        result = done.drop(pulse, data_loss=True)
    assert (result["rows"], pulse.pauses) == (4, 1)
    assert done.left() == []


def test_nothing_can_be_written_while_rows_are_saved(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before the dump until the end writers of every cart table wait; readers do not."""
    tried: list[str] = []

    def probe(name: str, when: str) -> None:
        if (name, when) != ("pg_tools.dump", "after"):
            return
        with platform_database.session("writer", lock_timeout="50ms") as writer:
            writer.execute("SELECT count(*) FROM carts")
            for table in ("carts", "promotions"):
                with pytest.raises(Exception, match="lock timeout"):
                    writer.execute(f"DELETE FROM {table}".encode())
                tried.append(table)

    done = deployed(platform_database)
    run_sql(platform_database, CART)
    monkeypatch.setattr(effects, "probe", probe)
    assert done.drop(data_loss=True)["rows"] == 4
    assert tried == ["carts", "promotions"]


@pytest.mark.parametrize("moment", ("before", "after"))
def test_a_kill_around_the_commit_leaves_all_or_nothing(
    platform_database: Postgres, deployed: Deploying, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Ended right before the commit everything is there, right after it nothing is, and a resumed rollback knows which."""

    class Killed(BaseException):
        """As abrupt as it gets in one process."""

    def probe(name: str, when: str) -> None:
        if (name, when) == ("postgres.drop", moment):
            raise Killed

    done = deployed(platform_database)
    run_sql(platform_database, CART)
    monkeypatch.setattr(effects, "probe", probe)
    with pytest.raises(Killed):
        done.drop(data_loss=True)
    monkeypatch.undo()
    result = done.result()
    if moment == "before":
        assert result is None
        assert done.drop(data_loss=True)["rows"] == 4
    else:
        assert result is not None
        assert result["rows"] == 4
    assert done.left() == []


def test_only_what_the_run_made_goes(
    platform_database: Postgres, deployed: Deploying, settings: Settings
) -> None:
    """Tables that were there before the run stay, with the version they had; what the run added to them goes."""
    from sqlalchemy import Connection

    from tests.migrations.revisions import move

    run_sql(platform_database, "CREATE SCHEMA cartctl")
    connection: Connection
    with engine_of(platform_database) as engine, engine.begin() as connection:
        move(connection, "upgrade", NAMES[0][:14])
    run_sql(platform_database, CART)
    run_sql(platform_database, "DELETE FROM carts", "DELETE FROM cross_site_sessions")
    done = deployed(platform_database)
    assert done.results["migrate"]["applied"] == list(NAMES[1:])
    assert "carts" in plan_drop(platform_database, done.settings, done.results).older
    result = done.drop()
    assert "carts" not in result["tables"]
    assert len(result["tables"]) == 6
    assert run_sql(platform_database, "SELECT version_num FROM cartctl.alembic_version") == [(NAMES[0][:14],)]
    assert [line for line in done.left() if "cartctl" not in line] == []
    assert settings(platform_database).owner_role is None


def test_a_run_that_died_while_migrating_is_rolled_back(
    platform_database: Postgres, deployed: Deploying
) -> None:
    """Without the migration's own record the difference to the fingerprint counts, over the cart's objects alone."""
    done = deployed(platform_database)
    del done.results["migrate"]
    run_sql(platform_database, "ALTER TABLE orders ADD later text")
    done.drop()
    assert done.left() == ["+ column public.orders.later"]


def test_without_a_fingerprint_nothing_is_guessed(platform_database: Postgres, deployed: Deploying) -> None:
    """A run that recorded no catalogue cannot be taken back in the database."""
    done = deployed(platform_database)
    done.results.clear()
    with pytest.raises(Refused, match="did not record the catalogue"):
        done.drop()


def test_a_deployer_drops_as_the_owner(pg18: Server, deployed: Deploying) -> None:
    """With an owner's role the rows are dumped and the tables dropped in its name, without a superuser."""
    database = pg18.create_platform()
    name = pg18.name_of(database)
    for role in ("lister", "lister_owner"):
        pg18.execute(f"DROP ROLE IF EXISTS {role}")
        pg18.execute(f"CREATE ROLE {role} LOGIN NOINHERIT")
    pg18.execute("GRANT lister_owner TO lister")
    pg18.execute(f'GRANT CREATE ON DATABASE "{name}" TO lister_owner')
    run_sql(
        database,
        "GRANT CREATE ON SCHEMA public TO lister_owner",
        "GRANT REFERENCES, SELECT ON companies, sites, customers, products TO lister_owner",
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
        *(
            f"ALTER TABLE {table} OWNER TO lister_owner"
            for table in ("companies", "sites", "customers", "products", "orders")
        ),
    )
    deployer = pg18.database(name, user="lister")
    done = deployed(deployer, owner_role="lister_owner")
    run_sql(database, CART)
    assert done.drop(data_loss=True)["rows"] == 4
    assert done.left() == []
    pg18.drop(database)
    for role in ("lister", "lister_owner"):
        pg18.execute(f"DROP ROLE {role}")
