"""The deployment: its plan, the options it was given, its preflight, and running it."""
