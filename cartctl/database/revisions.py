"""Alembic, driven from here: a configuration without a file, and one revision at a time on a connection that is handed over.

Imported late: Alembic costs a third of a second.
"""

from functools import cache
from typing import Any, Literal

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from cartctl.migrations.execute import Script, whole


def move(
    connection: Connection, verb: Literal["upgrade", "downgrade"], revision: str, *, script: Script = whole
) -> None:
    """Run Alembic up or down to `revision`, inside the transaction that `connection` is in.

    `script` gives what each revision executes; left out, its whole file with the strict constraints.
    Raises the driver's and SQLAlchemy's own errors.
    """
    config, scripts = _loaded()
    config.attributes.update(connection=connection, script=script)
    steps = {"upgrade": scripts._upgrade_revs, "downgrade": scripts._downgrade_revs}[verb]  # noqa: SLF001 - as alembic.command does

    def chosen(current: Any, _context: Any) -> Any:
        return steps(revision, current)

    with EnvironmentContext(config, scripts, fn=chosen, destination_rev=revision):
        scripts.run_env()


@cache
def _loaded() -> tuple[Config, ScriptDirectory]:
    """`alembic.command` would read every revision's file anew at each call."""
    config = Config()
    config.set_main_option("script_location", "cartctl:migrations")
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)
