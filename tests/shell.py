"""The program in a directory of its own, as a shell runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Shell:
    """A directory, with a configuration file if one is given, and the program in it."""

    def __init__(self, directory: Path, configuration: str = "") -> None:
        self.directory = directory
        if configuration:
            self.write("cartctl.toml", configuration)

    def write(self, name: str, text: str) -> Path:
        """A file in the directory."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def __call__(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command line, with no variables of cartctl or of a CI service but these."""
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("CARTCTL_", "GITHUB_"))
        }
        return subprocess.run(
            [sys.executable, "-m", "cartctl", *args],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            env={**clean, "CARTCTL_STATE_DIR": str(self.directory / "state"), **variables},
        )

    def json(self, *args: str, **variables: str) -> dict[str, Any]:
        """The document that a command writes to stdout."""
        document: dict[str, Any] = json.loads(self(*args, "-o", "json", **variables).stdout)
        return document
