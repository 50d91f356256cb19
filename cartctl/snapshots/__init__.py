"""Dumps of the database, each with a manifest of its contents: created (`create`), checked (`verify`), stored (`storage`)."""
