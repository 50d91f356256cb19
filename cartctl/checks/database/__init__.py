"""What a database must be before it is migrated or rolled back: everything that a read can find. Read-only."""
