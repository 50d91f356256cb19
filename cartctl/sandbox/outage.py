"""Breaks one part of a sandbox, to practise an incident with the real symptoms; `up` repairs every part."""

from collections.abc import Callable, Mapping

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


def _kill_prometheus(layout: Layout) -> bool:
    metrics = prometheus.find(layout)
    return metrics is not None and metrics.program.kill()


KILLERS: Mapping[str, Callable[[Layout], bool]] = {  # a part → kills it; False when it does not run
    "database": lambda layout: EmbeddedPostgres(layout.postgres).kill(),
    "cluster": lambda layout: supervisor(layout).kill(),  # its API server
    "prometheus": _kill_prometheus,
}


def break_part(name: str, part: str) -> SandboxStatus:
    """Kill a part of the sandbox `name`, one of KILLERS, as a crash does; the status after it.

    Raises Refused when the part does not run.
    """
    layout = Layout(checked_directory(name))
    with alone(layout):
        if not KILLERS[part](layout):
            raise Refused(f"The sandbox's {part} does not run.", hint="cartctl sandbox up")
    return read_status(name)


def hold_lock(name: str, seconds: float | None, pulse: Pulse, say: Callable[[str], None]) -> None:
    """Lock `companies` as a forgotten transaction does, for `seconds` or until the pulse's alarm; `say` gets its process id.

    Raises DatabaseUnreachable when the database does not run.
    """
    with superuser(name).session("sandbox break", autocommit=False) as connection:
        with pulse.cancelling(connection.cancel_safe):
            connection.execute(f'LOCK TABLE "{LOCKED_TABLE}" IN ACCESS EXCLUSIVE MODE'.encode())
        say(f"The table {LOCKED_TABLE} is locked by process {connection.info.backend_pid} of the server.")
        pulse.pause(seconds if seconds is not None else FOREVER)
