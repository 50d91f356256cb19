"""Real servers for the tests of exported files: promtool, a Prometheus with rules, an Alertmanager."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cartctl.adapters.http.client import Http, HttpUnreachable
from cartctl.config.load import load_environment
from cartctl.config.model.environment import Environment
from tests.sandbox_fixture import wait_for
from tests.services import require


def environment(
    directory: Path, text: str = "", name: str = "production", api: str = "http://localhost"
) -> Environment:
    """An environment from the text of its table."""
    file = directory / "cartctl.toml"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    file.write_text(f'[env."{quoted}"]\nhttp = {{ api = "{api}" }}\n{text}', encoding="utf-8")
    return load_environment(str(file), name, sections=())


def write(directory: Path, files: dict[str, bytes]) -> Path:
    """Write files; their directory."""
    directory.mkdir(exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """One call of promtool."""
    command = [str(require("promtool")), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(url: str) -> bool:
    """Whether a server responds."""
    try:
        return Http(url).get("/-/ready").ok
    except HttpUnreachable:
        return False


@contextmanager
def server(program: str, *arguments: str) -> Iterator[str]:
    """A server of Prometheus' family on loopback; `{home}` in an argument is its directory. Gives its address."""
    binary, home = require(program), Path(tempfile.mkdtemp(prefix="cartctl-prom-"))
    port = free_port()
    given = [argument.replace("{home}", str(home)) for argument in arguments]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [str(binary), *given, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
    try:
        wait_for(lambda: ready(f"http://127.0.0.1:{port}") or process.poll() is not None)
        assert process.poll() is None, (home / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def prometheus(directory: Path, configuration: dict[str, Any]) -> Iterator[str]:
    """A Prometheus with this configuration, whose file is in `directory`."""
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    with server("prometheus", f"--config.file={file}", "--storage.tsdb.path={home}/data") as url:
        yield url


def query(url: str, expression: str) -> list[dict[str, Any]]:
    """The result of an instant query. Fails for an expression that the server refuses."""
    response = Http(url).send("GET", "/api/v1/query", params={"query": expression})
    body: Any = response.json()
    assert body["status"] == "success", (expression, body)
    result: list[dict[str, Any]] = body["data"]["result"]
    return result
