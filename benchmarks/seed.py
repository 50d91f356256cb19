"""How fast carts are seeded: `python benchmarks/seed.py [CARTS [COMPANIES]]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from arena import arena, filled

if __name__ == "__main__":
    carts, companies = (int(word) for word in (*sys.argv[1:], "1000000", "1000")[:2])
    with arena() as postgres:
        done = filled(postgres, carts, companies)
    print(f"{done.carts} carts, {done.items} lines, {done.companies} companies")
    print(f"rows: {done.copy_seconds:.1f} s, {done.carts_per_second} carts/s")
    print(
        f"with indexes, vacuum and statistics: {done.seconds:.1f} s, {done.carts / done.seconds:.0f} carts/s"
    )
