"""`cartctl cart`: quotes, statistics and jobs."""
