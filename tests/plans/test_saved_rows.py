"""The rows that a database rollback saves: found by everybody who looks, and back in the tables exactly once."""

from pathlib import Path

import pytest

from tests.plans.test_lifecycle import Cli, cli
from tests.services import long

__all__ = ["cli"]

CARTS = """INSERT INTO carts (id, "companyId", "updatedAt") SELECT 'c' || n, 'avnz', now() FROM generate_series(1, 3) n"""
REFUSING = """CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF tg_tag = 'DROP TABLE' THEN RAISE EXCEPTION 'tables are kept until Monday'; END IF; END $$;
CREATE EVENT TRIGGER keep ON sql_drop EXECUTE FUNCTION keep()"""


def test_saved_rows_are_named_everywhere_and_restored_once(cli: Cli) -> None:
    """Their directory is in the report, in `report RUN` and in the next command, which restores them; again changes nothing."""
    cli.deploy()
    _sql(cli, CARTS)
    code, plan = cli.run("rollback", "--database", "--plan", "--yes")
    assert (code, plan["kind"], plan["database"]["rows"]) == (3, "rollback_plan", 3)
    code, plan = cli.run("rollback", "--database", "--plan")
    assert (code, plan["kind"], plan["checks"]["verdict"]) == (0, "rollback_plan", "pass")
    code, report = cli.run("rollback", "--database", "--yes", "--allow-data-loss")
    place = report["saved_rows"]
    assert (code, Path(place, "manifest.json").is_file()) == (0, True)
    assert report["next_command"].endswith(f"cartctl deploy --env sandbox --restore-carts {place}")
    assert cli.run("report", report["run"])[1]["saved_rows"] == place
    cli.deploy("--restore-carts", place)
    assert _sql(cli, "SELECT count(*) FROM carts") == [(3,)]
    cli.deploy("--restore-carts", report["run"])
    assert _sql(cli, "SELECT count(*) FROM carts") == [(3,)]
    _sql(cli, "DELETE FROM cartctl.put_back")
    code, refused = cli.run("deploy", "--yes", "--restore-carts", place)
    assert (code, "restore.tables: rows in carts" in refused["message"]) == (3, True)


@long
def test_a_drop_that_fails_leaves_its_cause_readable(cli: Cli) -> None:
    """Nothing is compared with the fingerprint then: the server's own words are the cause, not a list of every object."""
    cli.deploy()
    _sql(cli, REFUSING)
    try:
        code, plan = cli.run("rollback", "--database", "--plan")
        assert [one["verdict"] for one in plan["checks"]["checks"] if one["name"].endswith("keep")] == [
            "warn"
        ]
        code, report = cli.run("rollback", "--database", "--yes")
    finally:
        _sql(cli, "DROP EVENT TRIGGER keep; DROP FUNCTION keep()")
    steps = {step["key"]: step["outcome"] for step in report["steps"]}
    assert (code, steps["database"], steps["catalogue"]) == (5, "failed", "skipped")
    assert "tables are kept until Monday" in report["message"]
    assert "public.carts" not in report["message"]
    assert cli.run("rollback", "--database", "--yes")[0] == 0


def _sql(cli: Cli, statement: str) -> list[tuple[object, ...]]:
    with cli.sandbox.superuser.session("test") as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    "name", ("nothing", "20260101-000000-abcd", "/nowhere/rows"), ids=("snapshot", "run", "directory")
)
@pytest.mark.parametrize("option", ("--yes", "--plan"))
def test_unknown_rows_are_refused_before_anything_begins(cli: Cli, option: str, name: str) -> None:
    """An unknown name is a wrong option (exit 2), for the run as for its plan: no run begins, nothing is changed."""
    before = cli.images()
    code, error = cli.run("deploy", option, "--restore-carts", name)
    assert (code, error["code"]) == (2, "usage")
    assert f"No saved rows or snapshot named {name}" in error["message"]
    assert (cli.images(), cli.run("history")[1]["runs"]) == (before, [])
