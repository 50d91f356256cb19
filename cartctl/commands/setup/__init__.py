"""Commands for setting up a machine."""
