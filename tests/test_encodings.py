"""A terminal or pipe that cannot show every character: text is escaped, JSON stays JSON, nothing ends half way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "käse-☂-😀"
ASCII = (
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "cp1252"},
)


def run(directory: Path, more: dict[str, str], *args: str) -> subprocess.CompletedProcess[bytes]:
    """Cartctl as a program of its own, with an environment of its own encoding."""
    names = ("PATH", "HOME", "TMPDIR")
    environment = {name: os.environ[name] for name in names if name in os.environ} | more
    return subprocess.run(
        [sys.executable, "-m", "cartctl", *args],
        cwd=directory,
        env=environment,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("more", ASCII, ids=("ascii", "C", "cp1252"))
def test_what_an_encoding_lacks_is_escaped(tmp_path: Path, more: dict[str, str]) -> None:
    """In text and in JSON, on stdout and on stderr."""
    (tmp_path / "cartctl.toml").write_text(
        f'[env.dev]\n[env.dev.database]\ndsn = {{ env = "NO_DSN" }}\n[env.dev.cluster]\nkind = "kubernetes"\n'
        f'[env.dev.http]\napi = "https://api.test"\nadmin_path = "/{NAME}"\n',
        encoding="utf-8",
    )
    shown = run(tmp_path, more, "config", "show")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"\\u2602-\\ud83d\\ude00" in shown.stdout
    document = json.loads(run(tmp_path, more, "config", "show", "-o", "json").stdout.decode("cp1252"))
    assert f"/{NAME}" in [setting["value"] for setting in document["settings"]]
    wrong = run(tmp_path, more, "--env", NAME, "config", "show")
    assert wrong.returncode == 2
    assert b"Traceback" not in wrong.stderr
