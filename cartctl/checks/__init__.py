"""Checks: each observes and evaluates, and changes nothing."""
