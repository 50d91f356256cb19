"""Breaks one part of a sandbox, to practise an incident with the real symptoms; `up` repairs every part."""

from collections.abc import Callable
from enum import StrEnum

from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.sandbox import prometheus
from cartctl.sandbox.background import supervisor
from cartctl.sandbox.data.fill import superuser
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.status import SandboxStatus, read_status
from cartctl.sandbox.up import alone

FOREVER = 10 * 365 * 86400.0  # seconds
LOCKED_TABLE = "companies"  # every migration of the cart and every request needs it


class Part(StrEnum):
    """A part that can be killed: PostgreSQL, the supervisor (the cluster's API server) or Prometheus."""

    DATABASE = "database"
    CLUSTER = "cluster"
    PROMETHEUS = "prometheus"


def break_part(name: str, part: Part) -> SandboxStatus:
    """Kill a part of the sandbox `name`, as a crash does; the status after it.

    Raises Refused when the part does not run.
    """
    layout = Layout(checked_directory(name))
    with alone(layout):
        if not _killer(layout, part)():
            raise Refused(f"The sandbox's {part} does not run.", hint="cartctl sandbox up")
    return read_status(name)


def _killer(layout: Layout, part: Part) -> Callable[[], bool]:
    if part is Part.DATABASE:
        return EmbeddedPostgres(layout.postgres).kill
    if part is Part.CLUSTER:
        return supervisor(layout).kill
    metrics = prometheus.find(layout)
    return metrics.program.kill if metrics else lambda: False


def hold_lock(name: str, seconds: float | None, pulse: Pulse, say: Callable[[str], None]) -> None:
    """Lock `companies` as a forgotten transaction does, for `seconds` or until the pulse's alarm; `say` gets its process id.

    Raises DatabaseUnreachable when the database does not run.
    """
    with superuser(name).session("sandbox break", autocommit=False) as connection:
        with pulse.cancelling(connection.cancel_safe):
            connection.execute(f'LOCK TABLE "{LOCKED_TABLE}" IN ACCESS EXCLUSIVE MODE'.encode())
        say(f"The table {LOCKED_TABLE} is locked by process {connection.info.backend_pid} of the server.")
        pulse.pause(seconds if seconds is not None else FOREVER)
