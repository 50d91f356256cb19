"""Runbooks as a person follows them: their marked commands in order, run on sandboxes that stand for its environments."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.test_conventions import LEAVES, calls, command_at

RUNBOOKS = Path(__file__).parents[2] / "runbooks"
MARKED = re.compile(r"<!-- run in order: ([\d/ -]+) -->\s*```console\n(.*?)```", re.DOTALL)
QUICK = {"CARTCTL_MONITOR__MINIMUM_REQUESTS": "1", "CARTCTL_MONITOR__FOR": "1s"}


def steps(runbook: str, section: str = "") -> Iterator[tuple[list[str], set[int]]]:
    """Each marked command with the exit codes it may end with, of one section or of all; `-` marks one that is not run."""
    text = (RUNBOOKS / runbook).read_text(encoding="utf-8")
    if section:
        [text] = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    unindented = re.sub(r"^ +", "", text, flags=re.MULTILINE)
    for codes, block in MARKED.findall(unindented):
        lines = [words for line in block.splitlines() for words in calls(line.strip())]
        for words, code in zip(lines, codes.split(), strict=True):
            if code != "-":
                yield words, {int(number) for number in code.split("/")}


@dataclass
class Person:
    """Somebody with a directory that has a `cartctl.toml`, a home and these variables beside those of this process."""

    directory: Path
    home: Path
    variables: Mapping[str, str] = field(default_factory=lambda: QUICK)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command line, with a yes where it would prompt."""
        return subprocess.run(
            self.arguments(*words),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=self.environment,
        )

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The same in the background; progress is on its stderr."""
        return subprocess.Popen(
            self.arguments(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=self.environment,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its commands."""
        return {**os.environ, **self.variables, "HOME": str(self.home)}

    def arguments(self, *words: str) -> list[str]:
        """The command line, with the home for `~` as a shell has it."""
        path = next(path for path in LEAVES if path and tuple(words[: len(path)]) == path)
        prompts = any("--yes" in option.opts for option in command_at(path).params)
        agreed = ["--yes"] if prompts and not {"--yes", "--plan"} & {*words} else []
        expanded = [re.sub(r"^~", str(self.home), word) for word in words]
        return [sys.executable, "-m", "cartctl", *expanded, *agreed]

    def follow(self, runbook: str, section: str = "", ids: Mapping[str, str] | None = None) -> None:
        """Every marked command ends as the runbook says; `ids` are the real ones for those that are printed."""
        for words, codes in steps(runbook, section):
            self.follow_one(words, codes, ids or {})

    def follow_one(self, words: list[str], codes: set[int], ids: Mapping[str, str]) -> None:
        """One of them."""
        done = self.run(*[ids.get(word, word) for word in words])
        line = shlex.join(words)
        assert done.returncode in codes, (line, done.returncode, done.stdout[-1500:], done.stderr[-1500:])


def environment_of(configuration: Path, name: str) -> str:
    """The environment of a sandbox's own configuration file, under this name."""
    text = re.sub(r"^default_env.*$", "", configuration.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return text.replace("[env.sandbox", f"[env.{name}")
