"""`cartctl --help` against a bare import of typer: whole processes in turn, median of the ratios pair by pair.

Target: at most 1.15.
"""

import statistics
import subprocess
import sys
import time

RUNS = 15


def seconds(*argv: str) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    ours = (sys.executable, "-m", "cartctl", "--help")
    bare = (sys.executable, "-c", "import typer")
    seconds(*ours)
    seconds(*bare)
    pairs = [(seconds(*ours), seconds(*bare)) for _ in range(RUNS)]
    ratio = statistics.median(a / b for a, b in pairs)
    median = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
    print(
        f"cartctl --help {median[0] * 1000:.0f} ms, import typer {median[1] * 1000:.0f} ms, ratio {ratio:.2f} (target 1.15)"
    )


if __name__ == "__main__":
    main()
