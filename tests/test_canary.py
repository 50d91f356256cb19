"""A marker in every setting that may hold a secret: it shows up in no output, no file and no process list.

The application, Prometheus and the notifier are a server that repeats whatever it is sent; hooks print their secrets.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.names import APP, OWNER
from tests.config.test_references import settings_that_may_hold_secrets
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long, require
from tests.web import Reply, WebRequest, serve

KEYS = {"control.secret"}  # the sandbox keeps its own key there, 0600
SAMPLE = 0.01  # seconds between two looks at the process list
ECHO = '["sh", "-c", "echo out $MARKER; echo err $MARKER >&2; exit 3"]'
FORMS = {  # key path: how its marker is given
    "notify": "{web}/services/{marker}",
    "database.dsn": "postgresql://deployer:{marker}@{place}",
    "database.state": "{conninfo} password={marker}",
    "database.snapshots.url": "memory://key:{marker}@bucket/snapshots",
    "metrics.url": "http://u:{marker}@{host}",
    "cache.redis": "unix://:{marker}@{redis}",
}


@dataclass
class Canary:
    """A configuration full of markers, and what became of them."""

    home: Path
    state: Path
    markers: dict[str, str]
    variables: dict[str, str]
    leaks: list[str] = field(default_factory=list)

    def run(self, *argv: str) -> str:
        """Run one command line with whatever exit code; look for markers in its output, in files and in the process list."""
        command = [sys.executable, "-m", "cartctl", *argv, "--config", str(self.home / "cartctl.toml")]
        with self._watched(" ".join(argv)):
            done = subprocess.run(
                command,
                env={**os.environ, **self.variables},
                capture_output=True,
                check=False,
                timeout=300,
                umask=0,
            )
        self._search(f"output of {' '.join(argv)}", done.stdout + done.stderr)
        return (done.stdout + done.stderr).decode()

    def search_files(self) -> int:
        """Every file below the state directory, but the database's own and the sandbox's key; how many were read."""
        read = 0
        for path in self.state.rglob("*"):
            if path.is_file() and "pg" not in path.parts and path.name not in KEYS:
                read += 1
                with suppress(OSError):
                    self._search(str(path), path.read_bytes())
        return read

    def search_journal(self, database: Postgres) -> int:
        """Every event that the database keeps; how many there are."""
        with database.session("canary") as connection:
            rows = connection.execute(
                "SELECT run, key, event, data::text FROM cartctl_journal.event"
            ).fetchall()
        for run, key, event, data in rows:
            self._search(f"journal {run} {key} {event}", data.encode())
        return len(rows)

    def _search(self, place: str, content: bytes) -> None:
        self.leaks += [
            f"{name} in {place}" for name, marker in self.markers.items() if marker.encode() in content
        ]

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """Look at all command lines of the machine while a command runs."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.is_set():
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    with suppress(OSError):
                        self._search(f"process list of {what}", path.read_bytes())
                time.sleep(SAMPLE)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def repeat(request: WebRequest) -> Reply:
    """A server that tells everything it was sent, in an error."""
    given = {
        name: request.headers[name] for name in sorted(request.headers)
    }  # authorization comes early: bodies are cut
    return Reply(f"refused: {request.path} {json.dumps(given)} {request.body}", 500, {"X-Echo": request.path})


@pytest.fixture
def address() -> Iterator[str]:
    """A Redis that knows neither AUTH nor HELLO: it repeats the password in its error."""
    folder = Path(tempfile.mkdtemp(prefix="redis"))
    options = ["--port", "0", "--unixsocket", str(folder / "s"), "--save", "", "--rename-command", "AUTH", ""]
    options += ["--rename-command", "HELLO", ""]
    process = subprocess.Popen([require("redis-server"), *options], stdout=subprocess.DEVNULL, cwd=folder)
    try:
        wait_for((folder / "s").exists)
        yield f"unix://{folder}/s"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def canary(sandbox: Sandbox, address: str, tmp_path: Path) -> Iterator[Canary]:
    """A real sandbox whose configuration has a marker in each setting of the model that may hold a secret."""
    names = sorted(settings_that_may_hold_secrets())
    markers = {name: f"Canary{number}x{os.urandom(6).hex()}" for number, name in enumerate(names)}
    with serve(repeat) as web:
        parts = sandbox.database._parts
        place = f"/{parts['dbname']}?host={parts['host']}&port={parts.get('port', 5432)}"
        given = {
            "web": web.url,
            "host": web.url.partition("://")[2],
            "redis": address.removeprefix("unix://"),
            "place": place,
            "conninfo": f"host={parts['host']} port={parts.get('port', 5432)} user=deployer dbname={parts['dbname']}",
        }
        variables = {
            f"CANARY_{number}": FORMS.get(name, "{marker}").format(marker=markers[name], **given)
            for number, name in enumerate(names)
        }
        reference = {name: f'{{ env = "CANARY_{number}" }}' for number, name in enumerate(names)}
        secret = sandbox.layout.secret.read_text().strip()
        variables[f"CANARY_{names.index('cluster.secret')}"] = markers["cluster.secret"] = secret
        (tmp_path / "cartctl.toml").write_text(configuration(reference, sandbox, web.url))
        (tmp_path / "own.toml").write_text(
            f'[[request]]\nname = "own"\npath = "/own"\nheaders = {{ X-Key = {reference["http.token"]} }}\n'
        )
        yield Canary(tmp_path, sandbox.state_directory, markers, variables)


def configuration(reference: dict[str, str], sandbox: Sandbox, web: str) -> str:
    """Everything that can be configured, with references."""

    def table(key: str) -> str:
        return f"{{ MARKER = {reference[key]} }}"

    return f"""
[env.c]
notify = [{reference["notify"]}]
monitor = {{ for = "2s", every = "1s", minimum_requests = 1 }}
[env.c.database]
dsn = {reference["database.dsn"]}
state = {reference["database.state"]}
owner_role = "{OWNER}"
app_role = "{APP}"
[env.c.database.snapshots]
url = {reference["database.snapshots.url"]}
[env.c.cluster]
kind = "sandbox"
control = "{sandbox.control[0]}"
secret = {reference["cluster.secret"]}
[env.c.release]
api = {{ "payment-api.api" = "2.0.0" }}
after_migrate = {ECHO}
environment = {table("release.environment")}
[env.c.http]
api = "{web}"
token = {reference["http.token"]}
suites = ["own.toml"]
timeout = "2s"
[env.c.metrics]
kind = "prometheus"
url = {reference["metrics.url"]}
token = {reference["metrics.token"]}
headers = {{ X-Api-Key = {reference["metrics.headers"]} }}
[env.c.cache]
redis = {reference["cache.redis"]}
[env.c.logs]
command = {ECHO}
environment = {table("logs.environment")}
[env.c.preflight]
commands = [{ECHO}]
environment = {table("preflight.environment")}

[env.real]
notify = [{reference["notify"]}]
monitor = {{ for = "2s", every = "1s", minimum_requests = 1 }}
[env.real.database]
dsn = {reference["database.dsn"]}
state = {reference["database.state"]}
owner_role = "{OWNER}"
app_role = "{APP}"
[env.real.cluster]
kind = "sandbox"
control = "{sandbox.control[0]}"
secret = {reference["cluster.secret"]}
[env.real.release]
api = {{ "payment-api.api" = "2.0.0" }}
after_migrate = {ECHO}
environment = {table("release.environment")}
[env.real.http]
api = "{sandbox.status.api_url}"
token = {{ file = "{sandbox.layout.token}" }}
[env.real.metrics]
kind = "scrape"
scrape_interval = "1s"
[env.real.cache]
redis = {reference["cache.redis"]}

[env.shown]
[env.shown.database]
dsn = {reference["database.dsn"]}
[env.shown.database.snapshots.command]
create = {ECHO}
status = {ECHO}
environment = {table("database.snapshots.command.environment")}
[env.shown.cluster]
kind = "kubernetes"
[env.shown.http]
api = "{web}"
[env.shown.metrics]
kind = "prometheus"
url = "{web}"
user = "cartctl"
password = {reference["metrics.password"]}
certificate = "cartctl.pem"
key_password = {reference["metrics.key_password"]}
[env.shown.cache.cdn]
kind = "cloudflare"
zone = "z"
token = {reference["cache.cdn.token"]}
"""


QUICK = (
    ("config", "show", "--env", "c"),
    ("config", "show", "--env", "shown", "-o", "json"),
    ("config", "check"),
    ("health", "--env", "c"),
    ("smoke", "--env", "c", "--suite", "own", "-o", "json"),
)
WHOLE = (
    *QUICK,
    ("preflight", "--env", "c"),
    ("preflight", "--env", "c", "-o", "json", "--debug"),
    ("snapshot", "create", "--env", "shown"),
    ("snapshot", "create", "--env", "c", "--debug"),
    ("snapshot", "list", "--env", "c", "-o", "json"),
    ("smoke", "--env", "c", "--debug"),
    ("monitor", "--once", "--env", "c"),
    ("monitor", "--check-queries", "--env", "c", "-o", "json"),
    ("logs", "--env", "c"),
    ("deploy", "--env", "c", "--yes", "--skip", "preflight", "--reason", "x"),  # ends at the probes
    (
        "deploy",
        "--env",
        "real",
        "--yes",
        "--skip",
        "preflight",
        "--reason",
        "x",
        "--debug",
    ),  # ends at the hook
    (
        "deploy",
        "--env",
        "real",
        "--yes",
        "--skip",
        "preflight",
        "--skip",
        "hook.after_migrate",
        "--reason",
        "x",
        "-o",
        "json",
    ),
    ("rollback", "--env", "real", "--yes", "-o", "json"),
    ("history", "--env", "real"),
)


def test_the_configuration_and_an_application_that_repeats_everything(canary: Canary) -> None:
    """What is shown, checked and asked holds no marker, and neither does any file."""
    messages = [canary.run(*argv) for argv in QUICK]
    canary.search_files()
    assert not canary.leaks
    assert "refused: /" in "".join(
        messages
    )  # what the application said is shown, without the token it repeated


@long
def test_every_command_that_meets_a_secret(canary: Canary, sandbox: Sandbox) -> None:
    """Preflight, snapshots, deployments that fail, a rollback, monitoring, logs, history and reports; --debug and JSON too."""
    messages = {argv: canary.run(*argv) for argv in WHOLE}
    runs = sorted(set(re.findall(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "".join(messages.values()))))
    reports = [
        canary.run("report", run, "--env", "real", *how) for run in runs for how in ((), ("-o", "json"))
    ]
    read, events = canary.search_files(), canary.search_journal(sandbox.database)
    assert not canary.leaks
    assert "sh failed (exit code 3): err ***" in messages[WHOLE[-4]]  # the hook printed its secret
    assert any(
        '"step": "cache"' in line and '"failed"' in line for line in messages[WHOLE[-3]].splitlines()
    ), messages[WHOLE[-3]][-4000:]  # Redis refused
    assert len(runs) >= 3
    assert all(reports)
    assert (read > 10, events > 30) == (True, True)
    assert not [str(path) for path in ours(canary.state) if path.stat().st_mode & 0o077]


def ours(state: Path) -> Iterator[Path]:
    """Every file that cartctl has named, whatever the umask of the commands was; the server's own are its own."""
    return (path for path in state.rglob("*") if path.is_file() and "pg" not in path.parts)
