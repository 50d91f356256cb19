"""Alembic, driven from here: a configuration without a file, and one revision at a time on a connection that is handed over.

Loaded late, or ahead of its use while something else is waited for: it takes a third of a second.
"""

import sys
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from cartctl.migrations.execute import Script, Session, whole

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection


def move(
    connection: "Connection",
    verb: Literal["upgrade", "downgrade"],
    revision: str,
    *,
    script: Script = whole,
    session: Session = nullcontext,
) -> None:
    """Run Alembic up or down to `revision`, inside the transaction that `connection` is in.

    `script` gives what each revision executes; by default its whole file with the strict constraints. `session` is a
    block around that, given the driver's connection.
    Raises the driver's and SQLAlchemy's own errors.
    """
    config, scripts = load()
    from alembic.runtime.environment import EnvironmentContext

    config.attributes.update(connection=connection, script=script, session=session)
    steps = {"upgrade": scripts._upgrade_revs, "downgrade": scripts._downgrade_revs}[verb]

    def chosen(current: Any, _context: Any) -> Any:
        return steps(revision, current)

    with EnvironmentContext(config, scripts, fn=chosen, destination_rev=revision):
        scripts.run_env()


@cache
def load() -> "tuple[Config, ScriptDirectory]":
    """What `alembic.command` would make anew at each call, reading every revision's file."""
    # Alembic's template engine would load an installed Pygments, only to colour tracebacks.
    sys.modules.setdefault("mako.ext.pygmentplugin", None)  # type: ignore[arg-type]
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "cartctl:migrations")
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)
