"""The migrate step against `psql` running the same files, on databases made from the same template, in turn.

Target: at most 1.5. `step` is the whole Action, its verification and record included; `deploy` is the migration alone. With
fsync, as production runs.
"""

import os
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from cartctl.adapters.embedded_postgres import EmbeddedPostgres
from cartctl.adapters.pg_tools import find_tools
from cartctl.adapters.postgres import Postgres
from cartctl.config.model import Database
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.steps.fingerprint import Fingerprint
from cartctl.steps.migrate import Migrate

RUNS = 9


def databases(superuser: Postgres, number: int) -> tuple[Postgres, Postgres]:
    """Two fresh copies of the platform's database."""
    made = []
    for tool in ("ours", "psql"):
        name = f"bench_{tool}_{number}"
        with superuser.session("bench") as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE bench_platform'.encode())
        made.append(Postgres(superuser.dsn.replace("dbname=postgres", f"dbname={name}")))
    return made[0], made[1]


def ours(database: Postgres) -> float:
    """Seconds of the migrate step."""
    settings = Database.model_validate({"dsn": database.dsn})
    run = Run("bench", "bench", datetime.now(UTC), Path(), "running", {"fingerprint": None})
    run.results["fingerprint"] = Fingerprint(database).perform(run, Pulse())  # type: ignore[index]
    began = time.perf_counter()
    step = Migrate(database, settings)
    assert step.find(run) is None
    step.perform(run, Pulse())
    return time.perf_counter() - began


def psql(database: Postgres, folder: Path, psql_path: Path) -> float:
    """Seconds of one psql process per file, each in one transaction."""
    began = time.perf_counter()
    for file in sorted(folder.iterdir()):
        argv = [str(psql_path), database.dsn, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        subprocess.run(argv, check=True, env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="cartctl-bench-") as home:
        server = EmbeddedPostgres(Path(home) / "pg")
        server.start()
        try:
            pairs = compare(Postgres(server.dsn("postgres", "postgres")), Path(home) / "sql")
        finally:
            server.stop()
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"migrate step {statistics.median(a for a, _ in pairs) * 1000:.0f} ms, psql "
        f"{statistics.median(b for _, b in pairs) * 1000:.0f} ms, ratio {ratio:.2f} (target 1.5)"
    )


def compare(superuser: Postgres, folder: Path) -> list[tuple[float, float]]:
    """Pairs of seconds, the first pair (imports, caches) left out."""
    with superuser.session("bench") as connection:
        tool = find_tools(connection.info.server_version).bin / "psql"
        connection.execute("CREATE DATABASE bench_platform")
    with Postgres(superuser.dsn.replace("dbname=postgres", "dbname=bench_platform")).session(
        "bench"
    ) as connection:
        connection.execute(files("cartctl.sandbox").joinpath("platform.sql").read_bytes())
    folder.mkdir()
    for migration in MIGRATIONS:
        (folder / f"{migration.name}.sql").write_bytes(migration.script(strict=True))
    pairs = []
    for number in range(RUNS + 1):
        first, second = databases(superuser, number)
        pairs.append((ours(first), psql(second, folder, tool)))
    return pairs[1:]


if __name__ == "__main__":
    main()
