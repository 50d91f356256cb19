"""The scripts in real shells: what a person sees after pressing Tab."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.services import require

TAB = "\t"
SECONDS = 30.0  # a busy machine starts a shell slowly


@pytest.fixture
def shell_directory(tmp_path: Path) -> Path:
    """A directory with a configuration file, the program `cartctl`, and the script of each shell."""
    (tmp_path / "cartctl.toml").write_text("[env.staging]\n[env.production]\n")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/cartctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cartctl "$@"\n')
    program.chmod(0o755)
    (tmp_path / "suite file.toml").write_text("")
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([program, "completion", shell], capture_output=True, text=True, check=True)
        (tmp_path / f"script.{shell}").write_text(done.stdout)
    return tmp_path


def environment(directory: Path) -> dict[str, str]:
    """The variables of a shell in that directory."""
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    kept = {"PATH": path, "HOME": str(directory), "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": "> "}
    return {**kept, "CARTCTL_STATE_DIR": str(directory / "state")}


class Terminal:
    """A shell on a terminal of its own, which a test types into."""

    def __init__(self, argv: list[str], directory: Path) -> None:
        self.process, self._master = _spawn(argv, directory)
        self.output = ""

    def type(self, text: str) -> None:
        """Type characters, Tab among them."""
        os.write(self._master, text.encode())

    def wait_for(self, pattern: str) -> str:
        """The output up to now, once it matches; what came before is forgotten afterwards."""
        until = time.monotonic() + SECONDS
        while not re.search(pattern, self.output):
            ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.output!r}"
            self.output += os.read(self._master, 65536).decode(errors="replace")
        seen, self.output = self.output, ""
        return seen

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def _spawn(argv: list[str], directory: Path) -> tuple["subprocess.Popen[bytes]", int]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=directory,
        env=environment(directory),
        start_new_session=True,
    )
    os.close(slave)
    return process, master


SETUP = {
    "bash": (["--norc", "--noprofile", "-i"], "source script.bash; echo re''ady\n"),
    "zsh": (["-f", "-i"], "autoload -U compinit; compinit -u; source script.zsh; echo re''ady\n"),
}


@pytest.mark.parametrize("shell", SETUP)
def test_tab_completes_in_a_terminal(shell: str, shell_directory: Path) -> None:
    """Commands, options, environments behind a space and behind `=`, and files, with no message of any kind."""
    options, setup = SETUP[shell]
    terminal = Terminal([str(require(shell)), *options], shell_directory)
    try:
        terminal.type(setup)
        terminal.wait_for("ready")
        for typed, completed in (
            ("rollb", "ack "),
            ("--env prod", "uction "),
            ("history --env=sta", "ging"),
            ("snapshot verify --dr", "ill "),
            ("smoke --suite suite", r"suite\\ file\.toml"),
        ):
            terminal.type(f"cartctl {typed}{TAB}")
            shown = terminal.wait_for(completed)
            assert "rror" not in shown
            terminal.type("\x15")  # clear the line
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    (
        ("cartctl rollb", ["rollback\tRoll back the latest deployment."]),
        ("cartctl history --env prod", ["production\tenvironment"]),
        ("cartctl history --env=sta", ["--env=staging\tenvironment"]),
        ("cartctl smoke --suite suite", ["suite file.toml"]),
        ("cartctl nope ", []),
    ),
)  # fmt: skip
def test_fish_completes(line: str, expected: list[str], shell_directory: Path) -> None:
    """Fish shows each candidate with its description."""
    script = "source script.fish; complete -C $argv[1]"
    done = subprocess.run(
        [require("fish"), "--no-config", "-c", script, line],
        cwd=shell_directory,
        env=environment(shell_directory),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == expected
    assert not done.stderr


@pytest.mark.parametrize("shell", ("bash", "zsh", "fish"))
def test_a_broken_program_prints_nothing(shell: str, shell_directory: Path) -> None:
    """A program that fails writes no message into the line that is being typed."""
    (shell_directory / "bin/cartctl").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    call = {
        "bash": "source script.bash; COMP_WORDS=(cartctl x); COMP_CWORD=1; COMP_LINE='cartctl x'; COMP_POINT=9; _cartctl",
        "zsh": "compdef() { :; }; source script.zsh; words=(cartctl x); CURRENT=2; _cartctl; true",
        "fish": "source script.fish; complete -C 'cartctl x'",
    }[shell]
    done = subprocess.run(
        [require(shell), "-c", call],
        cwd=shell_directory,
        env=environment(shell_directory),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
