"""One completion against a bare import of typer: whole processes in turn, median of the ratios pair by pair.

Target: at most 1.5 for each kind of word.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.startup import seconds

RUNS = 15
LINES = ("roll", "deploy --", "history --env ", "report ", "deploy --skip preflight.", "snapshot restore ")


def main() -> None:
    """Print the figures."""
    os.chdir(tempfile.mkdtemp())
    environments = "".join(f"[env.shop{number}]\n" for number in range(50))
    Path("cartctl.toml").write_text(environments, encoding="utf-8")
    os.environ["CARTCTL_STATE_DIR"] = "state"
    runs = Path("state/environments/shop0-00000000/runs")
    runs.mkdir(parents=True)
    for number in range(500):
        (runs / f"20261101-{number:06}-aaaa.ndjson").write_text(
            '{"key": "run", "event": "finished"}\n', encoding="utf-8"
        )
    bare = (sys.executable, "-c", "import typer")
    for line in LINES:
        ours = (sys.executable, "-m", "cartctl", "__complete", "bash", "=:", f"cartctl --env shop0 {line}")
        pairs = [(seconds(*ours), seconds(*bare)) for _ in range(RUNS)]
        ratio = statistics.median(a / b for a, b in pairs)
        took = statistics.median(a for a, _ in pairs) * 1000
        print(f"cartctl {line:26} {took:4.0f} ms, ratio {ratio:.2f} (target 1.5)")


if __name__ == "__main__":
    main()
