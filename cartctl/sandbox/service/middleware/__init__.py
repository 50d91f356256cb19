"""Middleware of the reference service."""
