"""Alembic's entry: runs revisions on the given connection, inside the caller's transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema="cartctl",
)
context.run_migrations()
