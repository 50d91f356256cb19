"""`cartctl preflight` against a sandbox that requires two signed approvals: whole processes, and the checks' own time.

Target: under 3 s.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
TARGET = 3.0  # seconds
POLICY = """
[env.sandbox.signoff]
roles = ["DBA", "QA Lead"]
allowed_signers = "signers"
signers = { ann = ["DBA"], bob = ["QA Lead"] }
[env.sandbox.signoff.attestations]
reviews = { at_least = 5 }
"""


def run(home: Path, *argv: str, accepted: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """One process, which must end with an accepted exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "cartctl", *argv],
        cwd=home,
        env={**os.environ, "CARTCTL_STATE_DIR": str(home / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in accepted, done.stderr
    return done


def approve(home: Path) -> None:
    """Two people approve with two keys."""
    config = (home / "state/sandbox/default/cartctl.toml").read_text(encoding="utf-8")
    (home / "cartctl.toml").write_text(config + POLICY, encoding="utf-8")
    lines = []
    for name in ("ann", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
        lines.append(f"{name} {(home / f'{name}.pub').read_text(encoding='utf-8')}")
    (home / "signers").write_text("".join(lines), encoding="utf-8")
    run(home, "signoff", "attest", "reviews=5", "--link", "https://example.com", "--key", "ann")
    run(home, "signoff", "request", "request.json")
    for name, role in (("ann", "DBA"), ("bob", "QA Lead")):
        run(home, "signoff", "add", "--role", role, "--key", name, "--yes")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        run(home, "sandbox", "up")
        try:
            approve(home)
            whole, own = [], []
            for _ in range(RUNS):
                began = time.perf_counter()
                done = run(home, "preflight", "-o", "json")
                whole.append(time.perf_counter() - began)
                own.append(json.loads(done.stdout)["seconds"])
        finally:
            run(home, "sandbox", "down", "--purge")
    print(
        f"preflight: median {statistics.median(whole):.2f} s, slowest {max(whole):.2f} s; "
        f"the checks alone {statistics.median(own):.2f} s (target {TARGET:g} s)"
    )


if __name__ == "__main__":
    main()
