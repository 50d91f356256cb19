"""The three partial indexes of the background jobs."""

from cartctl.migrations import execute

revision = "20260101140600"
down_revision = "20260101140542"


def upgrade() -> None:
    """Execute the frozen migration.sql and, if configured, strict.sql."""
    execute.upgrade(revision)


def downgrade() -> None:
    """Execute the frozen down.sql."""
    execute.downgrade(revision)
