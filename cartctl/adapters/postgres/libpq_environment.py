"""What libpq takes from its environment, and how to address cartctl's own server without it.

libpq fills every parameter that an address lacks: from `PG*` variables, from a service file, from `~/.pgpass`. Users
expect that for the target. For the server of a sandbox, rehearsal or drill, it could lead to another server.
"""

import os
from collections.abc import Mapping

from psycopg.pq import Conninfo

# No parameter overrides these. The first is passed on as the parameter `service`; every session pins the settings that
# the others would change.
_REMOVED = {name: os.environ.pop(name, None) for name in ("PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO")}
SERVICE = _REMOVED["PGSERVICE"]
NOWHERE = "/dev/null/none"  # a password file that cannot exist: an empty name would mean ~/.pgpass
_UNRELATED = "PGBACKREST_"  # another program's

_OWN = {
    "passfile": NOWHERE,
    "sslmode": "disable",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
    "connect_timeout": "10",
}


def with_service(parts: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a target, with the service of PGSERVICE where they name none."""
    return {"service": SERVICE, **parts} if SERVICE else dict(parts)


def complete(parts: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a server of our own, with a value for each one that libpq would otherwise look for."""
    values = {}
    for each in Conninfo.get_defaults():
        name = each.keyword.decode()
        if each.envvar and name != "service":  # an empty service would be looked up
            values[name] = _OWN.get(name, (each.compiled or b"").decode())
    return {**values, **parts}


def without_libpq(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program of PostgreSQL's that works on a server of our own.

    The server's own programs read `PG*` variables too: PGPORT, PGDATA, PGCLIENTENCODING.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("PG") or name.startswith(_UNRELATED)
    } | {"PGPASSFILE": NOWHERE}
