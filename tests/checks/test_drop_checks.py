"""What a database rollback would fail on is found by reading, before anything is changed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.checks.database.check_lists import drop_database_checks
from cartctl.checks.database.database_check import run_with_connection_check
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.database.drop.plan import plan_drop
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from tests.database.test_drop import CART, Deployed
from tests.database.test_migrate import run_sql
from tests.services import Server

Judging = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def judging(pg18: Server, platform_database: Postgres, tmp_path: Path) -> Iterator[Judging]:
    """A migrated database with rows; gives the results that are not pass, as a role that may do what the owner may."""
    done = Deployed(platform_database, Database(dsn=Secret(literal=platform_database.dsn)), tmp_path / "run")
    run_sql(platform_database, *CART.split(";\n"))
    pg18.execute("CREATE ROLE dc_owner LOGIN")

    def judge(*statements: str, role: str | None = None) -> dict[str, CheckResult]:
        for statement in statements:
            run_sql(platform_database, statement)
        settings = Database(dsn=Secret(literal=platform_database.dsn), owner_role=role)
        plan = plan_drop(platform_database, Database(dsn=settings.dsn), done.results)
        questions = drop_database_checks(plan, tmp_path / "state", Pulse())
        result = run_with_connection_check(platform_database, settings, questions, Pulse())
        return {each.name: each for each in result if each.verdict is not Verdict.PASS}

    yield judge
    run_sql(platform_database, "DROP OWNED BY dc_owner CASCADE")
    pg18.execute("DROP ROLE dc_owner")


def test_a_rollback_that_can_be_done_passes(judging: Judging) -> None:
    """Nothing but passes."""
    assert judging() == {}


def test_who_owns_what_goes_is_known(judging: Judging) -> None:
    """A role that may not drop is told whose the objects are, and what it cannot read."""
    result = judging(role="dc_owner")
    assert "table carts belongs to postgres" in result["database.owners"].observed
    assert "GRANT postgres TO dc_owner" in result["database.owners"].hint
    assert "no SELECT on" in result["database.readable"].observed
    assert set(result) == {"database.owners", "database.readable"}


def test_rows_that_a_policy_hides_are_known(judging: Judging) -> None:
    """A dump of them would be refused in the middle of the drop."""
    result = judging(
        *(f'ALTER TABLE public."{name}" OWNER TO dc_owner' for name in ("carts", "cart_items")),
        "ALTER TABLE carts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO dc_owner",
        role="dc_owner",
    )
    assert result["database.readable"].observed == "row-level security on carts"


def test_a_full_disk_is_known(judging: Judging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are saved first: there must be room for them."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    result = judging()
    assert (set(result), result["database.room"].verdict) == ({"database.room"}, Verdict.FAIL)
