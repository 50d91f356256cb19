"""Live views of a run: on a terminal, as plain lines, as NDJSON."""
