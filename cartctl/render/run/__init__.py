"""A run as it happens: on a terminal, as plain lines, as NDJSON."""
