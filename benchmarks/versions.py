"""`migrate deploy` and `rollback --database` of this version against another checkout's, in turn, on one sandbox of 1 GB.

Run: python benchmarks/versions.py CHECKOUT [pairs]. Both use this environment's packages, the same servers and the same rows.
The target: what was added to guard other people's data costs at most 5 % of each command.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import DATABASE

PAIRS = 5
CARTS = 50_000  # rows that a rollback saves
ROWS = 3_400_000  # of a table beside the cart's: about a gigabyte
ROW = "md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) || repeat('cart ', 30)"
HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "migrate deploy": ("migrate", "deploy"),
    "rollback --database": ("rollback", "--database", "--allow-data-loss", "--yes"),
}


def run(checkout: Path, state: str, *argv: str) -> float:
    """Seconds of a command of the version in `checkout`."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "CARTCTL_STATE_DIR": state}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "cartctl", *argv],
        env=env,
        cwd=state,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (checkout, argv, done.stdout[-2000:], done.stderr[-2000:])
    return time.perf_counter() - began


def fill(state: str) -> float:
    """A large table of somebody else's; the database's size in GB."""
    layout = Layout((Path(state) / "sandbox" / "default").resolve())
    superuser = Postgres(EmbeddedPostgres(layout.postgres).dsn("postgres", DATABASE))
    with superuser.session("bench", statement_timeout="0") as connection:
        connection.execute(
            f"CREATE TABLE archive AS SELECT n AS id, {ROW} AS text FROM generate_series(1, {ROWS}) AS n".encode()
        )
        connection.execute("VACUUM ANALYZE")
        row = connection.execute("SELECT pg_database_size(current_database()) / 1e9").fetchone()
    assert row is not None
    return float(row[0])


def main() -> None:
    """Pairs in alternating order; the median of their ratios."""
    other = Path(sys.argv[1]).resolve()
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else PAIRS
    seconds: dict[str, dict[Path, list[float]]] = {name: {HERE: [], other: []} for name in COMMANDS}
    with tempfile.TemporaryDirectory() as state:
        run(HERE, state, "sandbox", "up")
        try:
            sys.stdout.write(f"database {fill(state):.2f} GB, {CARTS} carts\n")
            for number in range(-1, pairs):  # the first pair only warms the caches
                for version in (HERE, other) if number % 2 else (other, HERE):
                    for name, argv in COMMANDS.items():
                        taken = run(version, state, *argv, "--env", "sandbox")
                        if number >= 0:
                            seconds[name][version].append(taken)
                        if name == "migrate deploy":
                            run(HERE, state, "sandbox", "seed", "--carts", str(CARTS))
        finally:
            run(HERE, state, "sandbox", "down", "--purge")
    for name, versions in seconds.items():
        ratios = [ours / theirs for ours, theirs in zip(versions[HERE], versions[other], strict=True)]
        here, there = (statistics.median(versions[each]) for each in (HERE, other))
        sys.stdout.write(
            f"{name:<20} {here:.2f} s against {there:.2f} s: ratio {statistics.median(ratios):.2f}"
            f" ({min(ratios):.2f}-{max(ratios):.2f})\n"
        )


if __name__ == "__main__":
    main()
