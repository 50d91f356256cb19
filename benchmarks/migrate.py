"""The migrate step and its transactions against `psql` running the same files, on copies of one database, in turn.

Run: python benchmarks/migrate.py [runs]. Targets: the step, which is the whole Action with both readings of the catalogue,
the lock, the verification and its own record, at most 1.3 times psql's processes; its transactions, from BEGIN to COMMIT,
at most 1.3 times psql's. With fsync, as production runs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres.libpq_environment import without_libpq
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.config.model.environment import Database
from cartctl.database.migrations import apply as migrate
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate

RUNS = 9
TIMED = """SELECT extract(epoch FROM clock_timestamp()) AS begun \\gset
BEGIN;
\\i {file}
COMMIT;
SELECT extract(epoch FROM clock_timestamp()) - :begun;
"""


@dataclass(frozen=True, slots=True)
class AppliedPromotion:
    """Seconds of a tool: all of it, and its transactions alone."""

    whole: float
    transactions: float


def databases(superuser: Postgres, number: int) -> list[Postgres]:
    """Three fresh copies of the platform's database."""
    made = []
    for tool in ("ours", "psql", "timed"):
        name = f"bench_{tool}_{number}"
        with superuser.session("bench") as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE bench_platform'.encode())
        made.append(superuser.database(name))
    return made


def ours(database: Postgres) -> AppliedPromotion:
    """The migrate step."""
    settings = Database.model_validate({"dsn": database.dsn})
    run = Run("bench", "bench", datetime.now(UTC), Path(), "running", {"fingerprint": None})
    run.results["fingerprint"] = Fingerprint(database).perform(run, Pulse())  # type: ignore[index]
    transactions, apply = [], migrate._apply  # noqa: SLF001 - nothing else tells a transaction's time

    def timed(*args: object) -> None:
        under_way = time.perf_counter()
        apply(*args)  # type: ignore[arg-type]
        transactions.append(time.perf_counter() - under_way)

    migrate._apply = timed  # noqa: SLF001
    began = time.perf_counter()
    try:
        step = Migrate(database, settings)
        assert step.find(run) is None
        step.perform(run, Pulse())
    finally:
        migrate._apply = apply  # noqa: SLF001
    return AppliedPromotion(time.perf_counter() - began, sum(transactions))


def psql(database: Postgres, folder: Path, psql_path: Path) -> float:
    """Seconds of one psql process per file, each in one transaction."""
    began = time.perf_counter()
    for file in sorted(folder.glob("*.sql")):
        _psql(database, psql_path, "-1", "-f", str(file))
    return time.perf_counter() - began


def psql_transactions(database: Postgres, folder: Path, psql_path: Path) -> float:
    """Seconds of the same transactions by the server's clock, without psql's start and connection."""
    told = []
    for file in sorted(folder.glob("*.sql")):
        script = folder / f"{file.stem}.psql"
        script.write_text(TIMED.format(file=file))
        told.append(float(_psql(database, psql_path, "-A", "-t", "-f", str(script))))
    return sum(told)


def _psql(database: Postgres, psql_path: Path, *options: str) -> str:
    argv = [str(psql_path), database.dsn, "-X", "-q", "-v", "ON_ERROR_STOP=1", *options]
    env = {**without_libpq(os.environ), "PGOPTIONS": "-c client_min_messages=warning"}
    return subprocess.run(argv, check=True, env=env, capture_output=True, text=True).stdout


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="cartctl-bench-") as home:
        server = EmbeddedPostgres(Path(home) / "pg")
        server.start()
        try:
            pairs = compare(server.database("postgres"), Path(home) / "sql")
        finally:
            server.stop()
    tell("migrate step", [(mine.whole, theirs.whole) for mine, theirs in pairs], 1.3)
    tell("its transactions", [(mine.transactions, theirs.transactions) for mine, theirs in pairs], 1.3)


def tell(what: str, pairs: list[tuple[float, float]], target: float) -> None:
    """Print medians and the median of the ratios pair by pair."""
    mine, theirs = (statistics.median(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{what:18}{mine:.0f} ms, psql {theirs:.0f} ms, ratio {ratio:.2f} (target {target})")


def compare(superuser: Postgres, folder: Path) -> list[tuple[AppliedPromotion, AppliedPromotion]]:
    """What each took, pair by pair; the first pair (imports, caches) is left out."""
    with superuser.session("bench") as connection:
        tool = find_tools(connection.info.server_version).bin / "psql"
        connection.execute("CREATE DATABASE bench_platform")
    with superuser.database("bench_platform").session("bench") as connection:
        connection.execute(files("cartctl.sandbox").joinpath("platform.sql").read_bytes())
    folder.mkdir()
    for migration in MIGRATIONS:
        (folder / f"{migration.name}.sql").write_bytes(migration.script(strict=True))
    pairs = []
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    for number in range(runs + 1):
        first, second, third = databases(superuser, number)
        mine, whole = ours(first), psql(second, folder, tool)
        pairs.append((mine, AppliedPromotion(whole, psql_transactions(third, folder, tool))))
    return pairs[1:]


if __name__ == "__main__":
    main()
