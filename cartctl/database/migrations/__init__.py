"""Migrations: applied, adopted, recorded, exported, linted, verified."""
