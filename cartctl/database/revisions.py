"""Alembic, driven from here: a configuration without a file, and one revision at a time on a connection that is handed over.

Imported late: Alembic costs a third of a second.
"""

from typing import Literal

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from cartctl.migrations.execute import Script, whole


def move(
    connection: Connection, verb: Literal["upgrade", "downgrade"], revision: str, *, script: Script = whole
) -> None:
    """Run Alembic up or down to `revision`, inside the transaction that `connection` is in.

    `script` gives what each revision executes; left out, its whole file with the strict constraints.
    Raises the driver's and SQLAlchemy's own errors.
    """
    config = Config()
    config.set_main_option("script_location", "cartctl:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, script=script)
    {"upgrade": command.upgrade, "downgrade": command.downgrade}[verb](config, revision)
