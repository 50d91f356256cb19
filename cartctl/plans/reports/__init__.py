"""Reports of finished and running runs: the list of them, and everything that one run's report shows."""
