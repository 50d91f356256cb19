"""Text of strangers in every command that shows some: HTTP bodies, logs, configuration, flags, names, database messages.

Nothing but tabs, line ends and our own colours reaches a terminal or a pipe.
"""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.cli import app
from cartctl.engine.events import Event
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.render.safe_text import CONTROLS
from tests.web import Reply, Web, serve

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\u202e\u2066\u200b\u2028[red]x[/red]"
IN_TOML = EVIL.encode("unicode_escape").decode().replace("\\x", "\\u00")
NAME = "\x1b[31mowned"
RUN = "20260101-000000-abcd"
CONFIG = """
[env.e]
proved_on = "{evil}"
[env.e.database]
dsn = "{dsn}"
[env.e.cluster]
kind = "sandbox"
control = "{web}"
secret = "a key of no sandbox"
[env.e.http]
api = "{web}"
suites = ["own.toml"]
timeout = "5s"
[env.e.logs]
command = ["cat", "log.txt"]
[env.e.rollout]
seed = "{evil}"
flags = {{ file = "{name}" }}
internal_companies = ["{evil}"]
[env.wrong]
"{evil}" = 1
[env.away]
cluster = {{ kind = "kubernetes", namespace = "{evil}" }}
http = {{ api = "{web}" }}
[env.away.database]
dsn = "{dsn} application_name='x' dbname='{evil}'"
"""
SUITE = '[[request]]\nname = "{evil}"\npath = "/x"\njson = {{ "a" = "{evil}" }}\n'
FLAGS = {
    "flags": {EVIL: {"state": "ENABLED", "variants": {EVIL: True, "off": False}, "defaultVariant": EVIL}}
}
COMMANDS = (
    ("config", "show", "--env", "e"),
    ("config", "check"),
    ("config", "check", "--env", EVIL),
    ("health", "--env", "e"),
    ("smoke", "--env", "e"),
    ("logs", "--env", "e", "--all"),
    ("flags", "list", "--env", "e"),
    ("history", "--env", "e"),
    ("report", RUN, "--env", "e"),
    ("report", EVIL, "--env", "e"),
    ("migrate", "status", "--env", "e"),
    ("migrate", "status", "--env", "away"),
    ("cart", "quote", "quote.json"),
    ("cart", "quote", EVIL),
    (EVIL,),
)


@pytest.fixture
def web() -> Iterator[Web]:
    """An application whose answers are full of escapes."""
    with serve(
        lambda request: Reply(
            {"a": EVIL} if request.path == "/x" else EVIL, 200 if request.path == "/x" else 500
        )
    ) as result:
        yield result


@pytest.fixture
def home(empty_database: Postgres, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which everything that is read holds escapes."""
    for name in [name for name in os.environ if name.startswith("CARTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    dsn = empty_database.dsn
    (tmp_path / "cartctl.toml").write_text(
        CONFIG.format(evil=IN_TOML, name="\\u001b[31mowned", dsn=dsn, web=web.url)
    )
    (tmp_path / "own.toml").write_text(SUITE.format(evil=IN_TOML))
    (tmp_path / NAME).write_text(json.dumps(FLAGS))
    (tmp_path / "log.txt").write_text(
        f"{datetime.now(UTC).isoformat()} ERROR {EVIL} owned\n"
    )  # a title and colours are removed from logs
    line = {"id": EVIL, "unitPrice": "1", "quantity": 1, "price": EVIL}
    (tmp_path / "quote.json").write_text(json.dumps({"currency": EVIL, "lines": [line], EVIL: 1}))
    _fill(empty_database)
    return tmp_path


def _fill(database: Postgres) -> None:
    """A run with a story, and another tool's ledger."""
    journal = PostgresJournal(database)
    journal.prepare()
    requests = {"plan": "deploy", "env": EVIL, "asked": {"images": {"a.b": EVIL}}, "user": EVIL, "host": EVIL}
    story = (
        ("run", "started", requests),
        (EVIL, "failed", {"message": EVIL, "hint": EVIL, "code": "failed"}),
        (
            "run",
            "finished",
            {"outcome": "failed", "exit_code": 5, "message": EVIL, "next_command": EVIL, "warnings": [EVIL]},
        ),
    )
    for key, event, data in story:
        journal.append(Event(RUN, datetime.now(UTC), key, event, data))
    journal.close()
    with database.session("test") as connection:
        connection.execute(
            "CREATE TABLE _prisma_migrations (id text PRIMARY KEY, checksum text, finished_at timestamptz, migration_name text,"
            " logs text, rolled_back_at timestamptz, started_at timestamptz DEFAULT now(), applied_steps_count int DEFAULT 0)"
        )
        connection.execute(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, logs) VALUES ('1', 'x', %s, %s)",
            (EVIL, EVIL),
        )


@pytest.mark.usefixtures("home")
def test_no_command_lets_them_through() -> None:
    """As text and as JSON, on stdout and stderr; and each command has met them."""
    shown: dict[tuple[str, ...], str] = {}
    for argv in COMMANDS:
        for how in ((), ("-o", "json"), ("--debug",)):
            result = CliRunner().invoke(app, [*argv, *how])
            assert not CONTROLS.search(result.stdout + result.stderr), (argv, how)
            shown[argv] = shown.get(argv, "") + result.stdout + result.stderr
    silent = [argv for argv, text in shown.items() if "owned" not in re.sub(r"\s", "", text)]
    assert not silent, {argv: shown[argv] for argv in silent}


def test_a_terminal_gets_our_colours_alone(home: Path) -> None:
    """On a terminal, the only escape sequences are those that cartctl draws with."""
    main, other = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "cartctl", "health", "--env", "e"]
    with subprocess.Popen(command, cwd=home, env=env, stdout=other, stderr=other, stdin=other) as process:
        os.close(other)
        result = b""
        while chunk := _read(main):
            result += chunk
        process.wait(60)
    os.close(main)
    text = result.decode()
    assert "owned" in text
    assert "\x1b[" in text
    ours = re.sub(r"\x1b\[[\d;]*m|\r\n", "", text)
    assert not CONTROLS.search(ours.replace("\n", ""))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
