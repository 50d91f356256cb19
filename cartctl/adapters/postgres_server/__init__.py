"""PostgreSQL servers that cartctl starts itself, and PostgreSQL's own programs."""
