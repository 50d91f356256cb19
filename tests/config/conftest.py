"""A directory with a configuration file of the test's own, and no variables of the machine's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

MINIMAL = """
[env.dev.database]
dsn = { env = "DEV_DSN" }
[env.dev.cluster]
kind = "kubernetes"
[env.dev.http]
api = "https://api.example"
"""

Write = Callable[..., Path]  # what follows the minimal environment → the file


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: empty, with its own state directory."""
    for name in [name for name in os.environ if name.startswith("CARTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def write(directory: Path) -> Write:
    """Writes `cartctl.toml` here: a valid environment `dev` and then the given text."""

    def write(more: str = "") -> Path:
        path = directory / "cartctl.toml"
        path.write_text(MINIMAL + more, encoding="utf-8")
        return path

    return write
