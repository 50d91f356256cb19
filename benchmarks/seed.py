"""How fast carts are seeded: `python benchmarks/seed.py [CARTS [COMPANIES]]`.

By the clock, and by processor time: what making the rows costs here, and what writing them costs the server. Both go
on at once, on a core each, so that the slower of the two is the pace of a machine with nothing else to do.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from arena import arena, filled

from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.data import fill
from cartctl.sandbox.data.cart_rows import PART, Maker
from cartctl.sandbox.data.population import Population
from cartctl.sandbox.data.preparation import clear_and_prepare, read_tenants

PARTS = 5


def processor_time(postgres: Postgres, carts: int, companies: int) -> tuple[float, float]:
    """Carts per second of processor time: made, and written by the server with their lines."""
    end = datetime.now(UTC).replace(tzinfo=None)
    with postgres.session("benchmark", autocommit=False) as connection:
        clear_and_prepare(connection, carts, companies)
        chosen = Population(carts, 2, end, read_tenants(connection, carts, companies))
        fill._without_indexes(connection)  # noqa: SLF001
        maker = Maker(chosen)
        maker.part(0)
        began = time.process_time()
        parts = [maker.part(number) for number in range(PARTS)]
        made = PARTS * PART / (time.process_time() - began)
        server = psutil.Process(connection.info.backend_pid)
        before = server.cpu_times()
        for part in parts:
            fill._copy_part(connection, part)  # noqa: SLF001
        after = server.cpu_times()
        connection.rollback()
    return made, PARTS * PART / (after.user + after.system - before.user - before.system)


def main() -> None:
    """Both ways of measuring."""
    carts, companies = (int(word) for word in (*sys.argv[1:], "1000000", "1000")[:2])
    with arena() as postgres:
        made, written = processor_time(postgres, carts, companies)
        done = filled(postgres, carts, companies)
    print(
        f"{done.carts} carts, {done.items} lines, {done.companies} companies; load {psutil.getloadavg()[0]:.1f}"
    )
    print(f"rows: {done.copy_seconds:.1f} s, {done.carts_per_second} carts/s")
    print(
        f"with indexes, vacuum and statistics: {done.seconds:.1f} s, {done.carts / done.seconds:.0f} carts/s"
    )
    print(f"by processor time: {made:.0f} carts/s made, {written:.0f} carts/s written, per core")


if __name__ == "__main__":
    main()
