"""A temporary PostgreSQL server: the embedded one, of the version nearest to a given one, removed at the block's end."""

import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.adapters.postgres import OwnPostgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.adapters.postgres_server.pg_tools import EMBEDDED
from cartctl.errors import Inconclusive

UNNUMBERED = 16  # the version in the package's folder without a number
QUICK = ("fsync", "synchronous_commit", "full_page_writes")  # nothing of it is kept


@contextmanager
def scratch_server(major: int) -> Iterator[OwnPostgres]:
    """A superuser's way into a new, empty server of version `major`, else the next newer, else the newest there is.

    Raises Inconclusive where the embedded server is not installed.
    """
    version = nearest(major, _installed())
    home = Path(tempfile.mkdtemp(prefix="cartctl-scratch-"))
    if os.geteuid() == 0:
        home.chmod(0o755)  # as root the server runs as a user of its own
    server = EmbeddedPostgres(home / "data", version)
    try:
        server.start()
        postgres = server.database("postgres")
        with postgres.session("scratch") as connection:
            for name in QUICK:
                connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield postgres
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def nearest(major: int, there: list[int]) -> int:
    """The version to try things on that are meant for `major`. Pure. Raises Inconclusive when there is none."""
    if not there:
        raise Inconclusive(
            "No scratch server: the embedded PostgreSQL is not installed.",
            hint="pip install 'cartctl[sandbox]', or use another server: --server DSN",
        )
    return min((each for each in there if each >= major), default=max(there))


def _installed() -> list[int]:
    spec = importlib.util.find_spec(EMBEDDED)
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    named = (re.fullmatch(r"pginstall(\d*)", path.name) for root in roots for path in root.glob("pginstall*"))
    return sorted(int(match[1] or UNNUMBERED) for match in named if match)
