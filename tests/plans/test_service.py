"""A target named by a service: its name, user and place come from the server and libpq, not from the text of the DSN."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.postgres import Postgres
from cartctl.migrations.frozen import NAMES
from tests.database.test_command import Cartctl
from tests.database.test_drop import CART
from tests.database.test_migrate import run_sql
from tests.services import Server


@pytest.fixture
def shop(pg18: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A platform's database that the service `shop` names, and its DSN."""
    database = pg18.create_platform()
    parts = conninfo_to_dict(database.dsn)
    lines = "\n".join(f"{name}={parts[name]}" for name in ("host", "user", "dbname"))
    (tmp_path / "services").write_text(f"[shop]\n{lines}\noptions=-c application_name=x\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    yield database
    pg18.execute(f'DROP DATABASE "{parts["dbname"]}" WITH (FORCE)')
    for (name,) in run_sql(
        pg18.database("postgres"), "SELECT datname FROM pg_database WHERE datname LIKE '%before%'"
    ):
        if str(name).startswith(str(parts["dbname"])):
            pg18.execute(f'DROP DATABASE "{name}"')


@pytest.mark.parametrize(("dsn", "variable"), (("service=shop", None), ("", "shop")))
def test_every_command_finds_it(
    shop: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str, variable: str | None
) -> None:
    """Migrated, dumped, restored in place of itself: by a service in the DSN or in PGSERVICE."""
    if variable:
        monkeypatch.setenv("PGSERVICE", variable)
    cartctl = Cartctl(tmp_path, shop)
    cartctl.file.write_text(cartctl.file.read_text().replace(shop.dsn, dsn))
    assert cartctl("migrate", "deploy").returncode == 0
    run_sql(shop, *CART.split(";"))
    assert cartctl("snapshot", "create").returncode == 0
    (snapshot,) = cartctl.json("snapshot", "list")["snapshots"]
    restored = cartctl("snapshot", "restore", snapshot["id"], "--yes", "-o", "json")
    assert restored.returncode == 0, restored.stderr
    assert f'"database":"{conninfo_to_dict(shop.dsn)["dbname"]}"' in restored.stdout.replace(" ", "")
    assert run_sql(shop, "SELECT count(*) FROM carts") == [(3,)]
    assert cartctl.json("migrate", "status")["current"] == NAMES[-1]
