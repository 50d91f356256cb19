"""Migrations: apply, adopt, record, export, lint and verify them."""
