"""Rolling back: the plan, which run is selected, and running it."""
