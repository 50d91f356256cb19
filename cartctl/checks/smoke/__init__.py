"""The smoke suite and the user's own suites."""
