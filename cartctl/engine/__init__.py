"""Runs a plan from its journal: steps, events, journal, lock, signals."""
