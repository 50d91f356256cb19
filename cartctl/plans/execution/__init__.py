"""What every run shares: its steps built from adapters, its journals, its preview, its execution and its monitor."""
