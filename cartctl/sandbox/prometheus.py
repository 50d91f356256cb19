"""Prometheus beside the sandbox, where the machine has it: scrapes every API replica once a second."""

import http.client
import json
import shutil
import socket
from pathlib import Path

from cartctl.private_files import write_private
from cartctl.sandbox.background import Program
from cartctl.sandbox.layout import Layout, read_json

CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 900ms
  evaluation_interval: 1s
scrape_configs:
  - job_name: payment-api
    file_sd_configs:
      - files: [targets.json]
        refresh_interval: 1s
"""


class Prometheus:
    """The sandbox's own Prometheus; `None` of it where there is no binary."""

    def __init__(self, layout: Layout, binary: str, port: int) -> None:
        self._layout = layout
        self.port = port
        home = layout.prometheus
        argv = [
            binary,
            f"--config.file={home / 'prometheus.yml'}",
            mark := f"--storage.tsdb.path={home / 'data'}",
            "--storage.tsdb.retention.time=2d",
            "--query.lookback-delta=10s",  # after a crash, old replicas must not count as running
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        self.program = Program("prometheus", argv, mark=mark, layout=layout)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it unless it runs."""
        if self.program.process() is not None:
            return
        write_private(self._layout.prometheus / "prometheus.yml", CONFIG)
        if not self._layout.targets.exists():
            write_private(self._layout.targets, "[]")
        write_private(_chosen(self._layout), json.dumps({"port": self.port}))
        self.program.start()

    def ready(self) -> bool:
        """Whether it responds. Read-only."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def find(layout: Layout) -> Prometheus | None:
    """The Prometheus of this sandbox on its previous port while it runs or that port is free, else on a new one."""
    binary = shutil.which("prometheus")
    if binary is None:
        return None
    previous = (read_json(_chosen(layout)) or {}).get("port")
    if isinstance(previous, int):
        known = Prometheus(layout, binary, previous)
        if known.program.process() is not None or _free(previous):
            return known
    return Prometheus(layout, binary, _any_free_port())


def _chosen(layout: Layout) -> Path:
    return layout.prometheus / "port.json"


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
