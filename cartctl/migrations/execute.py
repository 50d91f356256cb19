"""What every revision does: execute its frozen file on the driver's own connection.

No parameters are passed, so the driver reads no placeholders and the server takes all statements in one message.
`config.attributes["script"]` may say what a revision executes instead when objects already exist, and `["session"]`
with which settings. Alembic, which calls these, is loaded by then.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cartctl.migrations.frozen import Frozen, frozen

Script = Callable[[Frozen], bytes]
Session = Callable[[Any], AbstractContextManager[None]]


def whole(migration: Frozen) -> bytes:
    """The migration with its strict constraints."""
    return migration.script(strict=True)


def upgrade(revision: str) -> None:
    """Execute a revision's migration."""
    from alembic import op

    config = op.get_context().config
    script: Script = whole if config is None else config.attributes.get("script", whole)
    session: Session = nullcontext if config is None else config.attributes.get("session", nullcontext)
    _run(script(frozen(revision)), session)


def downgrade(revision: str) -> None:
    """Revert what a revision created."""
    _run(frozen(revision).down, nullcontext)


def _run(sql: bytes, session: Session) -> None:
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    if sql and driver is not None:
        with session(driver):
            driver.execute(sql)
