"""`snapshot create` against the plain `pg_dump -Fd -j` of the same database, in turn; `verify` against reading; peak memory.

Run: python benchmarks/snapshot.py [gigabytes]. Targets: at most 1.05 times pg_dump at 1 GB, the restore guard within 10 s, verification at the speed of
reading, less than 200 MB of memory at any size.
"""

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.snapshots.create import jobs_for
from cartctl.snapshots.source import database_size

RUNS = 3
ROW = "md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) || repeat('cart ', 30)"
CONFIG = """[env.bench]
database = {{ dsn = "{dsn}" }}
cluster = {{ kind = "kubernetes", context = "none" }}
http = {{ api = "http://127.0.0.1:1" }}
"""


def fill(database: Postgres, gigabytes: float) -> int:
    """Four tables of random and repeating text; the database's size in bytes."""
    rows = int(gigabytes * 1e9 / 4 / 290)
    with database.session("bench", statement_timeout="0") as connection:
        for table in ("a", "b", "c", "d"):
            connection.execute(
                f"CREATE TABLE {table} AS SELECT n AS id, {ROW} AS text FROM generate_series(1, {rows}) AS n".encode()
            )
        connection.execute("VACUUM ANALYZE")
        return database_size(connection)


def timed(argv: list[str], env: dict[str, str]) -> tuple[float, int]:
    """Seconds of a process and the most memory it took itself, in bytes."""
    began = time.perf_counter()
    process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, argv
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def main() -> None:
    """Print medians and ratios."""
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with scratch_server(18) as server, tempfile.TemporaryDirectory() as place:
        home = Path(place)
        with server.session("bench") as connection:
            connection.execute("CREATE DATABASE shop")
            tools = find_tools(connection.info.server_version)
        database = server.database("shop")
        size = fill(database, gigabytes)
        jobs = jobs_for(size, os.cpu_count() or 1)
        (home / "cartctl.toml").write_text(CONFIG.format(dsn=database.dsn))
        env = {
            **os.environ,
            "CARTCTL_STATE_DIR": str(home / "state"),
            "CARTCTL_CONFIG": str(home / "cartctl.toml"),
        }
        program = [sys.executable, "-m", "cartctl", "snapshot"]
        ours, plain, checks, reading, guard, memory = [], [], [], [], [], 0
        for _ in range(RUNS):
            dump = home / "dump"
            argv = [str(tools.bin / "pg_dump"), "-Fd", f"-j{jobs}", "-f", str(dump), database.dsn]
            plain.append(timed(argv, env)[0])
            began = time.perf_counter()
            for path in dump.iterdir():
                with path.open("rb") as stream:
                    hashlib.file_digest(stream, "sha256")
            reading.append(time.perf_counter() - began)
            shutil.rmtree(dump)
            seconds, most = timed([*program, "create"], env)
            ours.append(seconds)
            memory = max(memory, most)
            checks.append(timed([*program, "verify"], env)[0])
            name = next((home / "state").glob("environments/*/snapshots/*")).name
            guard.append(timed([*program, "restore", name, "--plan"], env)[0])
            shutil.rmtree(home / "state")
        told = {
            "database": f"{size / 1e9:.2f} GB, {jobs} jobs",
            "pg_dump": f"{statistics.median(plain):.2f} s",
            "snapshot create": f"{statistics.median(ours):.2f} s, verification included",
            "ratio": f"{statistics.median(ours) / statistics.median(plain):.2f} (target 1.05)",
            "sha-256 of the dump": f"{statistics.median(reading):.2f} s",
            "snapshot verify": f"{statistics.median(checks):.2f} s",
            "restore --plan": f"{statistics.median(guard):.2f} s (target 10 at 1 GB)",
            "memory": f"{memory / 1e6:.0f} MB (target 200)",
        }
        for name, value in told.items():
            print(f"{name:24}{value}")


if __name__ == "__main__":
    main()
