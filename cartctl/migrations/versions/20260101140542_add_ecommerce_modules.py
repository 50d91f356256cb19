"""Carts, saved items, wishlists, comparisons and cross-site sessions."""

from cartctl.migrations import execute

revision = "20260101140542"
down_revision = None


def upgrade() -> None:
    """Execute the frozen migration.sql and, if configured, strict.sql."""
    execute.upgrade(revision)


def downgrade() -> None:
    """Execute the frozen down.sql."""
    execute.downgrade(revision)
