"""Which tax rates apply, and what they come to."""
