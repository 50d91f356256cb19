"""The processes of pods: starting a replica with its sockets, ending it, probing it, reading its log."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from cartctl.private_files import UMASK, append_private
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.supervisor.model import Pod, Spec

TAIL = 16 * 1024  # bytes of a log that are read
PROBE_SECONDS = 1.0
OK = 200
BACKLOG = 1024
LOGS_RETAINED = 20  # of pods that are gone, per deployment


def listen(port: int | None) -> socket.socket:
    """A listening socket on loopback; another free port when the requested one is in use."""
    try:
        return _bound(port or 0)
    except OSError:
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def spawn(layout: Layout, spec: Spec, pod: Pod, version: str, shared: socket.socket | None) -> None:
    """Start the pod's process: it inherits the deployment's socket and one of its own, which answers probes.

    The supervisor keeps no copy of the second one: a crashed replica must refuse connections, not keep clients waiting.
    """
    own = listen(None)
    try:
        pod.port = own.getsockname()[1]
        passed = [own.fileno(), *([shared.fileno()] if shared else [])]
        with os.fdopen(append_private(log_file(layout, pod.name)), "ab") as log:
            pod.process = subprocess.Popen(
                command(layout, spec, pod.name, version),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=UMASK,
                pass_fds=passed,
                env=environment(passed),
            )
    finally:
        own.close()


def command(layout: Layout, spec: Spec, pod: str, version: str) -> list[str]:
    """The replica's command line; its last two words distinguish it from every other process of the machine."""
    program = [sys.executable, "-m", "cartctl.sandbox.service"]
    return [*program, "--role", spec.role, "--version", version, pod, str(layout.directory)]


def environment(sockets: list[int]) -> dict[str, str]:
    """A replica's environment: what it needs to run, and the file descriptors of its sockets."""
    inherited = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
        if name in os.environ
    }
    return {**inherited, "SERVICE_SOCKETS": ",".join(map(str, sockets)), "PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def end(pod: Pod, *, at_once: bool = False) -> None:
    """Send a pod's process SIGTERM, or SIGKILL."""
    if pod.process is not None and pod.process.poll() is None:
        pod.process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)


def probe(port: int) -> bool:
    """Whether a replica passes its readiness probe. Before it serves, the connection waits in its queue."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/health", headers={"Connection": "close"})
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(port: int) -> bool:
    """Whether a process listens on a port: an ending replica closes its own socket after the shared one."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def log_file(layout: Layout, pod: str) -> Path:
    """The file of a pod's output."""
    return layout.logs / f"{pod}.log"


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log; none when there is no log."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - max(TAIL, lines * 300)))
            return stream.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def forget_old_logs(layout: Layout, deployment: str, running: Collection[str]) -> None:
    """Remove the oldest logs of a deployment's former pods."""
    obsolete = [path for path in layout.logs.glob(f"{deployment}-*.log") if path.stem not in running]
    for path in sorted(obsolete, key=_modified)[:-LOGS_RETAINED]:
        path.unlink(missing_ok=True)


def _modified(path: Path) -> float:
    return path.stat().st_mtime
