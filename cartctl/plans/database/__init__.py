"""The database's own commands as runs: migrate, rehearse, and the checks before a change."""
