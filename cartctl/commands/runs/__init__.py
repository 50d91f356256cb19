"""`cartctl history`, `report` and `unlock`: the environment's runs, one run's report, and the run lock."""
