"""Dumps of the database with a manifest that says what must be in them: made (`create`), checked (`verify`), kept (`store`)."""
