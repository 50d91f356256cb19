"""A real Prometheus on loopback: scraping, or with a history that promtool has written."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.adapters.http.client import Access, Http, HttpUnreachable
from tests.services import require

SCRAPE = """
global: {{scrape_interval: {interval}}}
scrape_configs:
  - job_name: api
    static_configs: [{{targets: [{targets}]}}]
"""
BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0)


def scraping(*urls: str, interval: str = "200ms") -> str:
    """The configuration that scrapes these servers."""
    targets = ", ".join(f'"{url.removeprefix("http://")}"' for url in urls)
    return SCRAPE.format(interval=interval, targets=targets)


@contextmanager
def prometheus(
    configuration: str = "",
    *arguments: str,
    history: Iterable[str] = (),
    access: Access | None = None,
    scheme: str = "http",
    prefix: str = "",
) -> Iterator[str]:
    """A server's address for a block; `history` is OpenMetrics text with times that it begins with."""
    program = str(require("prometheus"))
    folder = Path(tempfile.mkdtemp(prefix="prom"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        write_history(folder, history)
        (folder / "p.yml").write_text(configuration)
        given = [
            f"--config.file={folder}/p.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            *arguments,
        ]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([program, *given], stdout=log, stderr=log)
        try:
            url = f"{scheme}://localhost:{port}{prefix}"
            until(lambda: ready(url, access), 60)
            yield url
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_history(folder: Path, lines: Iterable[str]) -> None:
    """Have promtool write blocks of a history, where there is one."""
    text = "\n".join(lines)
    if not text:
        return
    (folder / "history").write_text(f"{text}\n# EOF\n")
    made = (str(require("promtool")), "tsdb", "create-blocks-from", "openmetrics")
    subprocess.run((*made, str(folder / "history"), str(folder / "data")), check=True, capture_output=True)


def ready(url: str, access: Access | None) -> bool:
    """Whether it answers queries."""
    try:
        return Http(url, access=access).get("/-/ready").ok
    except HttpUnreachable:
        return False


def until(what: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.05)
