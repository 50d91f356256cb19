"""`python -m cartctl.sandbox.supervisor DIRECTORY`: runs until SIGTERM, one at a time per sandbox."""

import json
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cartctl.private_files import FILE, private_directory, write_private
from cartctl.sandbox.layout import Layout, read_json
from cartctl.sandbox.supervisor.control import Control
from cartctl.sandbox.supervisor.controller import Controller
from cartctl.sandbox.supervisor.server import ControlServer
from cartctl.sandbox.supervisor.state import State

ALREADY_RUNNING = 3


def main(directory: Path) -> int:
    """Supervise the sandbox in `directory`; the lock is held as long as this process runs."""
    layout = Layout(directory)
    try:
        with FileLock(layout.supervisor_lock, timeout=0, mode=FILE):
            _supervise(layout)
    except Timeout:
        return ALREADY_RUNNING
    return 0


def _supervise(layout: Layout) -> None:
    private_directory(layout.logs)
    state = State.load(layout)
    state.end_left_behind()
    controller = Controller(layout, state)
    _on_signals(controller)
    controller.open()
    server = _serve(layout, controller)
    address = {"pid": os.getpid(), "port": server.port}
    write_private(layout.supervisor, json.dumps(address))
    controller.run()
    server.shutdown()
    server.server_close()


def _serve(layout: Layout, controller: Controller) -> ControlServer:
    if not layout.secret.exists():
        write_private(layout.secret, secrets.token_urlsafe(32))
    secret = layout.secret.read_text(encoding="utf-8").strip()
    previous = (read_json(layout.supervisor) or {}).get("port", 0)
    try:
        server = ControlServer(Control(controller), secret, previous)
    except OSError:
        server = ControlServer(Control(controller), secret, 0)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
    return server


def _on_signals(controller: Controller) -> None:
    def stop(*_: Any) -> None:
        controller.stop()

    def child_ended(*_: Any) -> None:
        controller.woken.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, child_ended)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
