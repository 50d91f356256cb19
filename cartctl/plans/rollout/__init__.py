"""The staged release by company: what is in effect, what a command would do, and doing it."""
